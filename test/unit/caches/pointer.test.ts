import fc from 'fast-check';
import { droppedBy, emptied, joined, tagOf, type CacheChange, type CachePointer } from '../../../domain/caches/pointer';

const of = { service: 'mail', cache: 'responses', ttlMs: 60_000 };
const change = (part: Partial<CacheChange>): CacheChange => ({
  ...{ epoch: 1, version: '1.1', drop: [], strategy: 'version-tagged', at: 1_000, by: 'deploy-1' },
  ...part,
});
const after = (...changes: Partial<CacheChange>[]): CachePointer =>
  changes.reduce<CachePointer | null>((before, part) => joined(before, change(part), of).pointer, null) as CachePointer;

test('a change that is made twice is made once, also at another moment', () => {
  const first = after({ epoch: 1, version: '1.1' });
  const change2 = change({ epoch: 2, version: '1.2', drop: ['1.1'], at: 2_000 });
  const once = joined(first, change2, of);
  const twice = joined(once.pointer, { ...change2, at: 9_000 }, of);
  expect([once.outcome, twice.outcome]).toEqual(['set', 'unchanged']);
  expect(twice.pointer).toEqual(once.pointer);
});

test('an older change than the one in force changes nothing', () => {
  const now = after({ epoch: 5, version: '1.2', at: 5_000 });
  expect(joined(now, change({ epoch: 4, version: '1.3', at: 6_000 }), of)).toEqual({
    outcome: 'superseded',
    pointer: now,
  });
});

test('version-tagged: a return finds the tag of before, unless the version was left for cause', () => {
  const v1 = after({ epoch: 1, version: '1.1' });
  const back = after(
    { epoch: 1, version: '1.1' },
    { epoch: 2, version: '1.2', at: 2_000 },
    { epoch: 3, version: '1.1', drop: ['1.2'], at: 3_000 },
  );
  expect(back.tag).toBe(v1.tag);
  const bad = after({ epoch: 2, version: '1.2', at: 2_000 });
  const again = after(
    { epoch: 2, version: '1.2', at: 2_000 },
    { epoch: 3, version: '1.1', drop: ['1.2'], at: 3_000 },
    { epoch: 4, version: '1.2', at: 4_000 },
  );
  expect(again.tag).not.toBe(bad.tag);
});

test('invalidate: no tag of before is ever met again', () => {
  const seen = [1, 2, 3, 4, 5].map(
    (epoch) =>
      after(
        ...Array.from({ length: epoch }, (_, at) => ({
          epoch: at + 1,
          version: at % 2 ? '1.2' : '1.1',
          at: 1_000 * (at + 1),
          strategy: 'invalidate' as const,
        })),
      ).tag,
  );
  expect(new Set(seen).size).toBe(5);
});

test('a step that comes after the keeper, at the same epoch, still drops the version that was left', () => {
  const kept = after({ epoch: 2, version: '1.3', at: 2_000 }, { epoch: 3, version: '1.2', at: 3_000 });
  const stepped = joined(kept, change({ epoch: 3, version: '1.2', drop: ['1.3'], at: 3_500 }), of);
  expect(stepped.outcome).toBe('set');
  expect(stepped.pointer.tag).toBe(kept.tag);
  expect(tagOf('1.3', stepped.pointer)).not.toBe(tagOf('1.3', kept));
});

test('a pointer that was lost begins with a tag that nobody has used', () => {
  const before = after({ epoch: 7, version: '1.2', at: 7_000 });
  expect(after({ epoch: 7, version: '1.2', at: 8_000 }).tag).not.toBe(before.tag);
});

test('emptied by hand everything is unreachable, and the same act twice is one', () => {
  const before = after({ epoch: 2, version: '1.2', at: 2_000 }, { epoch: 3, version: '1.1', at: 3_000 });
  const empty = emptied(before, 9_000, 'ann');
  expect(tagOf('1.1', empty)).not.toBe(tagOf('1.1', before));
  expect(tagOf('1.2', empty)).not.toBe(tagOf('1.2', before));
  expect(emptied(empty, 9_000, 'ann')).toEqual(empty);
});

test('whatever the history, what was stored of a dropped version before the drop is never found again', () => {
  const step = fc.record({
    version: fc.constantFrom('a', 'b', 'c', ...Array.from({ length: 30 }, (_, n) => `v${n}`)),
    drop: fc.boolean(),
    strategy: fc.constantFrom('invalidate' as const, 'version-tagged' as const),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 60 }), (steps) => {
      let pointer: CachePointer | null = null;
      const poisoned = new Set<string>();
      steps.forEach(({ version, drop, strategy }, index) => {
        const left: string | null = pointer?.version ?? null;
        const dropped = drop && left !== null && left !== version ? [left] : [];
        if (pointer) for (const one of dropped) poisoned.add(tagOf(one, pointer));
        pointer = joined(
          pointer,
          { epoch: index + 1, version, drop: dropped, strategy, at: 1_000 + index, by: 'x' },
          of,
        ).pointer;
        expect(poisoned).not.toContain(pointer.tag);
        expect(JSON.stringify(pointer).length).toBeLessThan(2_000);
      });
    }),
    { numRuns: 300 },
  );
});

test('a rollback drops what it leaves, a deploy begins its own version anew, and a revival of the same drops nothing', () => {
  expect(droppedBy('rollback', '1.3', '1.2')).toEqual(['1.3']);
  expect(droppedBy('deploy', '1.2', '1.3')).toEqual(['1.3']);
  expect(droppedBy('deploy', '1.2', '1.2')).toEqual([]);
  expect(droppedBy('hold-move', null, '1.2')).toEqual([]);
});
