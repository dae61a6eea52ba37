import {
  readEngine,
  type CopyReading,
  type EngineQuery,
  type EngineRead,
  type EngineSeries,
  type EngineSnapshot,
  type EngineType,
} from '../../../domain/detection/engine-reading';

const everyMs = 10_000;
type Told = readonly (readonly [name: string, value: number, labels?: EngineSeries['labels']])[];

function snapshot(atMs: number, told: Told, types: Record<string, EngineType> = {}): EngineSnapshot {
  const series = told.map(([name, value, labels = {}]) => ({ name, value, labels }));
  return { atMs, types: new Map(Object.entries(types)), series };
}
function copy(before: Told | null, now: Told, types: Record<string, EngineType> = {}): CopyReading {
  return {
    before: before === null ? null : snapshot(1_000, before, types),
    now: snapshot(1_000 + everyMs, now, types),
  };
}
const query = (name: string, read: EngineRead, more: Partial<EngineQuery> = {}): EngineQuery => ({
  name,
  labels: {},
  missing: 'unmeasured',
  read,
  ...more,
});

describe('a counter', () => {
  const rate = query('requests', { how: 'rate' });

  test('is its increase a second, of all series and copies together', () => {
    const copies = [
      copy([['requests', 100], ['requests', 5, { code: '5' }]], [['requests', 130], ['requests', 10, { code: '5' }]]),
      copy([['requests', 0]], [['requests', 25]]),
    ]; // prettier-ignore
    expect(readEngine(rate, copies)).toEqual({ value: 6, n: null });
  });

  test('that is smaller than before began anew: what it shows came since', () => {
    expect(readEngine(rate, [copy([['requests', 1_000_000]], [['requests', 40]])])?.value).toBe(4);
  });

  test('that was not there before had counted nothing; one that is gone adds nothing', () => {
    const copies = [copy([['requests', 7, { a: '1' }]], [['requests', 20, { a: '2' }]])];
    expect(readEngine(rate, copies)?.value).toBe(2);
  });

  test('is not measured at the first look, nor where the name is not there, nor after no time', () => {
    expect(readEngine(rate, [copy(null, [['requests', 5]])])).toBeNull();
    expect(readEngine(rate, [copy([['other', 1]], [['other', 2]])])).toBeNull();
    expect(readEngine(rate, [])).toBeNull();
    const now = snapshot(1_000, [['requests', 5]]);
    expect(readEngine(rate, [{ before: now, now }])).toBeNull();
  });

  test('that a server shows only after its first event is zero before, where that is said', () => {
    const copies = [copy([['all', 0]], [['all', 50]])];
    const errors = query('errors', { how: 'ratio', per: { name: 'all', labels: {} } });
    expect(readEngine(errors, copies)).toBeNull();
    expect(readEngine({ ...errors, missing: 'zero' }, copies)).toEqual({ value: 0, n: 50 });
  });
});

test('a ratio is the share of the increases, with the events behind it; no event is no value', () => {
  const of = (reason: string): EngineSeries['labels'] => ({ finished_reason: reason });
  const aborts = query(
    'done',
    { how: 'ratio', per: { name: 'done', labels: {} } },
    { labels: { finished_reason: 'abort' } },
  );
  const before: Told = [
    ['done', 10, of('stop')],
    ['done', 4, of('abort')],
  ];
  const now: Told = [
    ['done', 40, of('stop')],
    ['done', 14, of('abort')],
  ];
  expect(readEngine(aborts, [copy(before, now)])).toEqual({ value: 0.25, n: 40 });
  expect(readEngine(aborts, [copy(now, now)])).toBeNull();
  // Nothing was aborted yet: the name is there, the label is not.
  expect(readEngine(aborts, [copy([['done', 10, of('stop')]], [['done', 20, of('stop')]])])?.value).toBe(0);
});

test('a gauge is the mean over series and copies, and NaN is not measured', () => {
  const gauge = query('cache', { how: 'value' });
  expect(readEngine(gauge, [copy(null, [['cache', 0.2]]), copy(null, [['cache', 0.6], ['cache', NaN]])])?.value).toBe(0.4); // prettier-ignore
  expect(readEngine(gauge, [copy(null, [['cache', NaN]])])).toBeNull();
});

describe('a histogram', () => {
  const le = (bound: string): EngineSeries['labels'] => ({ le: bound, model: 'm' });
  const buckets = (counts: readonly number[]): Told =>
    ['0.1', '0.5', '1.0', '+Inf'].map((bound, at) => ['ttft_bucket', counts[at] ?? 0, le(bound)] as const);
  const before: Told = [...buckets([100, 100, 100, 100]), ['ttft_sum', 5], ['ttft_count', 100]];
  const now: Told = [...buckets([110, 190, 199, 200]), ['ttft_sum', 45], ['ttft_count', 200]];

  test('is the mean of what came since the last look', () => {
    expect(readEngine(query('ttft', { how: 'mean' }), [copy(before, now)])).toEqual({ value: 0.4, n: 100 });
  });

  test('is a quantile of it, linear inside a bucket, and never beyond the last bound', () => {
    const at = (q: number) => readEngine(query('ttft', { how: 'quantile', q }), [copy(before, now)]);
    expect(at(0.5)?.value).toBeCloseTo(0.1 + 0.4 * (40 / 80), 10);
    expect(at(0.95)?.value).toBeCloseTo(0.5 + 0.5 * (5 / 9), 10);
    expect(at(0.999)).toEqual({ value: 1, n: 100 });
  });

  test('without an observation since is not measured', () => {
    for (const read of [{ how: 'mean' }, { how: 'quantile', q: 0.5 }] as const)
      expect(readEngine(query('ttft', read), [copy(now, now)])).toBeNull();
  });
});

test.each<[EngineType, string, number]>([
  ['counter', 'x', 0.1],
  ['gauge', 'x', 7],
  ['histogram', 'x', 2],
  ['summary', 'x', 2],
  ['untyped', 'x_total', 0.1],
])('a %s is read as what it is where nothing else is said', (type, name, value) => {
  const at = (base: number): Told => [
    [name, base],
    [`${name}_sum`, base * 2],
    [`${name}_count`, base],
  ];
  expect(readEngine(query(name, { how: 'auto' }), [copy(at(6), at(7), { [name]: type })])?.value).toBeCloseTo(value);
});
