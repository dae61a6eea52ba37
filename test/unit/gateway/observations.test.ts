import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Observations } from '../../../gateway/observations';
import type { ObservationBatch } from '../../../gateway/protocol';
import { Storage } from '../../../gateway/storage';

const nowMs = Date.UTC(2026, 4, 1, 12);
const horizonMs = 7 * 86_400_000;
const pushed = [
  { metric: 'groundedness', min: null, max: null },
  { metric: 'refusals', min: 0, max: 1 },
];
const at = (ms: number): string => new Date(ms).toISOString();
const open = (storage = new Storage(mkdtempSync(join(tmpdir(), 'lastgood-gw-unit-')))): Observations =>
  new Observations(storage, 'mail', pushed, horizonMs);

function batch(key: string, ...items: [metric: string, value: number, atMs: number][]): ObservationBatch {
  return { key, items: items.map(([metric, value, atMs]) => ({ metric, value, at: at(atMs), n: 3 })) };
}

test('values are kept once, numbered, and read in the order of time whatever the order of arrival', () => {
  const observations = open();
  const first = batch('a', ['groundedness', 80, nowMs - 1_000], ['refusals', 0.1, nowMs]);
  expect(observations.take(first, nowMs)).toEqual({ taken: true, accepted: 2, late: 0, repeated: false });
  expect(observations.take(batch('b', ['groundedness', 70, nowMs - 5_000]), nowMs)).toMatchObject({ accepted: 1 });
  expect(observations.values('groundedness', 0, nowMs, 10)).toEqual([
    { seq: 3, atMs: nowMs - 5_000, value: 70, n: 3 },
    { seq: 1, atMs: nowMs - 1_000, value: 80, n: 3 },
  ]);
  expect(observations.values('groundedness', 0, nowMs, 1).map(({ seq }) => seq)).toEqual([1]);
  expect(observations.values('refusals', 0, nowMs, 10)).toEqual([]);
});

test('the same batch again changes nothing and is answered alike; its key with other content is refused', () => {
  const observations = open();
  const one = batch('k', ['groundedness', 80, nowMs - 1_000]);
  observations.take(one, nowMs);
  expect(observations.take(one, nowMs + 5_000)).toEqual({ taken: true, accepted: 1, late: 0, repeated: true });
  const other = observations.take(batch('k', ['groundedness', 81, nowMs - 1_000]), nowMs);
  expect(other).toMatchObject({ taken: false, problems: [expect.stringContaining('key: found "k"')] });
  expect(observations.values('groundedness', 0, nowMs, 10)).toHaveLength(1);
});

test('a batch is refused whole, with the place of everything that is wrong in it', () => {
  const observations = open();
  const answer = observations.take(
    batch(
      'a',
      ['groundedness', 80, nowMs],
      ['fluency', 1, nowMs],
      ['refusals', 1.5, nowMs],
      ['refusals', 0, nowMs + 600_000],
    ),
    nowMs,
  );
  expect(answer).toEqual({
    taken: false,
    problems: [
      'items.1.metric: found "fluency", expected one of groundedness, refusals',
      'items.2.value: found 1.5, expected 0 to 1',
      `items.3.at: found ${at(nowMs + 600_000)}, which is in the future of this host`,
    ],
  });
  expect(observations.values('groundedness', 0, nowMs + 1, 10)).toEqual([]);
});

test('a service that declares no pushed metric takes none', () => {
  const storage = new Storage(mkdtempSync(join(tmpdir(), 'lastgood-gw-unit-')));
  const answer = new Observations(storage, 'mail', undefined, horizonMs).take(batch('a', ['x', 1, nowMs]), nowMs);
  expect(answer).toMatchObject({ taken: false, problems: [expect.stringContaining('declares no metric')] });
});

test('what is older than the horizon is counted as late and not kept', () => {
  const observations = open();
  const answer = observations.take(
    batch('a', ['groundedness', 80, nowMs - horizonMs - 1], ['groundedness', 81, nowMs - horizonMs]),
    nowMs,
  );
  expect(answer).toMatchObject({ accepted: 1, late: 1 });
});

test('old values go, numbers are never given twice, and a key is kept while its values could count again', () => {
  const observations = open();
  const first = batch('a', ['groundedness', 80, nowMs]);
  observations.take(first, nowMs);
  observations.removeOld(nowMs + horizonMs);
  expect(observations.take(first, nowMs + horizonMs)).toMatchObject({ repeated: true });
  observations.removeOld(nowMs + 31 * 86_400_000);
  expect(observations.values('groundedness', 0, nowMs + 1, 10)).toEqual([]);
  const later = nowMs + 31 * 86_400_000;
  expect(observations.take(first, later)).toEqual({ taken: true, accepted: 0, late: 1, repeated: false });
  observations.take(batch('b', ['groundedness', 80, later]), later);
  expect(observations.values('groundedness', 0, later + 1, 10).map(({ seq }) => seq)).toEqual([2]);
});
