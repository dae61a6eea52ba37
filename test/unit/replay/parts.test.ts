import { afterRollback, heldBy, keepCalm, releasedBrakes } from '../../../workers/replay/brakes';
import { readCsv } from '../../../workers/replay/csv';
import { RecordRefused } from '../../../workers/replay/record-error';
import { RECORDED, replayedPorts, segmentsOf } from '../../../workers/replay/recording';
import { counts, rows, startMs } from '../activities/detection-rows';
import { policyOf } from '../../support/service-world';

const minute = 60_000;
const hour = 60 * minute;
const policy = policyOf();

describe('the brakes of a replay', () => {
  it('hold for the cooldown, then let go', () => {
    const brakes = afterRollback(releasedBrakes, policy, startMs);
    expect(heldBy(brakes, startMs + 30 * minute - 1)).toBe('cooldown');
    expect(heldBy(brakes, startMs + 30 * minute)).toBeNull();
  });

  it('open the breaker at the second rollback without a calm day between, and only a person would close it', () => {
    let brakes = afterRollback(releasedBrakes, policy, startMs);
    brakes = keepCalm(brakes, policy, startMs + hour, true);
    brakes = keepCalm(brakes, policy, startMs + 25 * hour - 1, true);
    const open = afterRollback(brakes, policy, startMs + 25 * hour);
    expect(heldBy(open, startMs + 80 * hour)).toBe('the breaker is open');
    expect(
      heldBy(
        keepCalm(keepCalm(open, policy, startMs + 26 * hour, true), policy, startMs + 99 * hour, true),
        startMs + 99 * hour,
      ),
    ).toBe('the breaker is open');
    const calm = keepCalm(brakes, policy, startMs + 25 * hour, true);
    expect(heldBy(afterRollback(calm, policy, startMs + 25 * hour), startMs + 26 * hour)).toBeNull();
  });

  it('count calm from its begin, and anew after every degradation', () => {
    let brakes = keepCalm(afterRollback(releasedBrakes, policy, startMs), policy, startMs, true);
    brakes = keepCalm(brakes, policy, startMs + 23 * hour, false);
    brakes = keepCalm(brakes, policy, startMs + 23 * hour + 1, true);
    expect(keepCalm(brakes, policy, startMs + 46 * hour, true).consecutive).toBe(1);
    expect(keepCalm(brakes, policy, startMs + 47 * hour + 1, true).consecutive).toBe(0);
  });
});

describe('who was live in a record', () => {
  it('is another version from its first answer on, once it has most of the requests', () => {
    const before = rows(300, (seq) => counts(seq, { version: '1.2' }));
    const after = rows(300, (seq) => counts(300 + seq, { version: '1.3', epoch: 8 }));
    expect(segmentsOf([...before, ...after], startMs)).toEqual([
      { version: '1.2', epoch: 7, fromMs: startMs },
      { version: '1.3', epoch: 8, fromMs: startMs + 301_000 },
    ]);
  });

  it('does not change for a share, a drill, or labels that come late', () => {
    const shared = rows(600, (seq) => counts(seq, { version: seq % 3 === 0 ? '1.3' : '1.2' }));
    const drill = counts(601, { version: '1.3', cohort: 'drill', requests: 9_000 });
    const late = counts(602, { version: '1.1', requests: 0, labels: { bulk: { n: 900, correct: 900 } } });
    expect(segmentsOf([...shared, drill, late], startMs).map(({ version }) => version)).toEqual(['1.2']);
  });

  it('is told by labels where nothing else is on record, and is nobody in particular without any row', () => {
    const labelled = [1, 2].map((seq) =>
      counts(seq, { version: '1.2', requests: 0, labels: { a: { n: 5, correct: 5 } } }),
    );
    expect(segmentsOf(labelled, startMs).map(({ version }) => version)).toEqual(['1.2']);
    expect(segmentsOf([], startMs)).toEqual([{ version: RECORDED, epoch: 1, fromMs: startMs }]);
  });
});

it('a record shows nothing that came after the moment to which it was replayed', async () => {
  const clock = { now: startMs + 10_500 };
  const values = new Map([
    ['quality', [1, 20].map((second) => ({ atMs: startMs + second * 1_000, value: second, n: null }))],
  ]);
  const ports = replayedPorts({ rows: rows(60, (seq) => counts(seq)), values, notes: [] }, clock);
  const seen = await ports.telemetry.window('s', startMs, startMs + hour);
  expect(Math.max(...seen.map(({ toMs }) => toMs))).toBeLessThanOrEqual(clock.now);
  expect(seen).toHaveLength(9);
  expect(await ports.outside.values('s', 'quality', startMs, startMs + hour, 10)).toHaveLength(1);
  clock.now = startMs + hour;
  expect(await ports.outside.values('s', 'quality', startMs, startMs + hour, 1)).toMatchObject([{ value: 20 }]);
});

describe('a file of recorded values', () => {
  const head = 'time,metric,value,n,version\n';

  it('becomes rows and values in the order of time, whatever its order, the later line of one moment counting', () => {
    const text = `${head}2026-05-01T12:01:00Z,error-rate,0.5,10,1.2
2026-05-01 12:00:00,error-rate,0.1,10,1.2
1777636860000,error-rate,0.2,10,1.2
2026-05-01T12:00:30+00:00,recall:bulk,0.9,20,1.2
2026-05-01T12:00:00Z,latency-p95,40,50,1.2
2026-05-01T12:02:00Z,quality,81,,
`;
    const { rows: found, values } = readCsv(text, new Set(['quality']));
    expect(found.map((row) => [row.fromMs - startMs, row.kind === 'counts' ? row.failures : null])).toEqual([
      [0, 1],
      [0, 0],
      [30_000, 0],
      [60_000, 2],
    ]);
    expect(found[2]).toMatchObject({ version: '1.2', requests: 0, labels: { bulk: { n: 20, correct: 18 } } });
    expect(values.get('quality')).toEqual([{ atMs: startMs + 2 * minute, value: 81, n: null }]);
  });

  it('takes NaN and empty values as not measured, and says how many', () => {
    const { rows: found, notes } = readCsv(
      `time,metric,value,n\n2026-05-01,error-rate,NaN,5\n2026-05-02,error-rate,,5\n`,
      new Set(),
    );
    expect(found).toEqual([]);
    expect(notes).toEqual(['2 values of the file are no numbers: not measured']);
  });

  it('is refused with every place for what it cannot be', () => {
    const text = `${head}today,error-rate,0.1,10,
2026-05-01T12:00:00Z,fluency,0.1,10,
2026-05-01T12:00:00Z,error-rate,1e999,10,
2026-05-01T12:00:00Z,error-rate,1.5,10,
2026-05-01T12:00:00Z,error-rate,0.1,,
`;
    const read = () => readCsv(text, new Set(['quality']));
    expect(read).toThrow(RecordRefused);
    expect(read).toThrow(/line 2: time: found "today"/);
    expect(read).toThrow(/line 3: metric: found "fluency", expected error-rate, .*, quality/);
    expect(read).toThrow(/line 4: value: found "1e999", expected a finite number/);
    expect(read).toThrow(/line 5: value: found 1.5, expected 0 to 1/);
    expect(read).toThrow(/line 6: n: is missing, expected how many requests/);
    expect(() => readCsv('a,b,c\n', new Set())).toThrow(/line 1: found "a,b,c", expected time,metric,value,n,version/);
  });
});
