import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AnswerRecord, hourOf, linePrefix } from '../../../gateway/answer-record';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOON = Date.parse('2026-03-01T12:30:00Z');

let now = NOON;
let record: AnswerRecord;

beforeEach(() => {
  now = NOON;
  jest.spyOn(Date, 'now').mockImplementation(() => now);
  record = new AnswerRecord(mkdtempSync(join(tmpdir(), 'lastgood-answers-')), 'mail', 90, () => undefined);
});
afterEach(() => {
  record.close();
  jest.restoreAllMocks();
});

const backend = { address: 'http://127.0.0.1:1', instance: 'mail@1.1#1', digest: 'sha256:1' };

async function answer(id: string): Promise<void> {
  record.add(id, now, linePrefix('mail', '1.1', backend, 7, 'primary'), 200, 1.5, 'spam', 0.5);
  await record.drained();
}

const idsOf = (hour: string): string[] =>
  readFileSync(join(record.dir, `${hour}.ndjson`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { id: string }).id);

test('each hour of UTC has a file of its own, and nothing is lost at the change', async () => {
  await answer('a');
  now = Date.parse('2026-03-01T12:59:59.999Z');
  await answer('b');
  now += 1;
  await answer('c');
  now += 24 * HOUR_MS;
  await answer('d');
  expect(record.hours()).toEqual(['2026-03-01T12', '2026-03-01T13', '2026-03-02T13']);
  expect(record.hours().map(idsOf)).toEqual([['a', 'b'], ['c'], ['d']]);
});

test('a line that a crash cut short does not take the next one with it', async () => {
  writeFileSync(join(record.dir, `${hourOf(now)}.ndjson`), '{"id":"cut","at":17');
  await answer('whole');
  const lines = readFileSync(join(record.dir, `${hourOf(now)}.ndjson`), 'utf8').split('\n');
  expect(lines.map((line) => line.slice(0, 12))).toEqual(['{"id":"cut",', '{"id":"whole', '']);
});

test('answers are kept for 90 days to the hour, whatever else lies there', async () => {
  await answer('today');
  const at = (ms: number): string => hourOf(ms);
  const kept = at(NOON - 90 * DAY_MS);
  const old = [at(NOON - 90 * DAY_MS - HOUR_MS), at(NOON - 365 * DAY_MS)];
  for (const hour of [kept, ...old]) writeFileSync(join(record.dir, `${hour}.ndjson`), '');
  writeFileSync(join(record.dir, 'notes.txt'), 'not ours');
  record.removeOld(NOON);
  expect(record.hours()).toEqual([kept, at(NOON)]);
  expect(readFileSync(join(record.dir, 'notes.txt'), 'utf8')).toBe('not ours');
  record.removeOld(NOON + HOUR_MS);
  expect(record.hours()).toEqual([at(NOON)]);
  expect(idsOf(at(NOON))).toEqual(['today']);
});
