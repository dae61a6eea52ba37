import { drawIncident, IncidentNotRecorded } from '../../../activities/draw-incident';
import type { OutsideMetrics } from '../../../activities/ports';
import type { Json, LedgerEntry, LedgerKind } from '../../../domain/ledger';
import { FakeEvidence } from '../../support/fakes/evidence';
import { FakeTelemetry } from '../../support/fakes/telemetry';
import { MemoryLedger } from '../../support/memory-ledger';
import { counts, latency, startMs } from './detection-rows';

const service = 'mail-triage';
const incident = '2026-05-01-1';
const minute = 60_000;
const decidedAt = startMs + 40 * minute;
const settledAt = startMs + 42 * minute;

const verdict = (change: Readonly<Record<string, Json>> = {}): Readonly<Record<string, Json>> => ({
  metric: 'error-rate',
  unit: 'ratio',
  observed: 0.4,
  expected: 0.005,
  ucl: 0.02,
  lcl: null,
  sinceMs: startMs + 38 * minute,
  onsetMs: startMs + 38 * minute,
  onsetLowMs: startMs + 37 * minute,
  onsetHighMs: startMs + 39 * minute,
  sentence: '8 of 20 requests failed (40 %)',
  ...change,
});

let ledger: MemoryLedger;
let evidence: FakeEvidence;
let telemetry: FakeTelemetry;
let outside: OutsideMetrics;
const draw = (input: { at: number; moment: LedgerKind }) =>
  drawIncident({ ledger, evidence, telemetry, outside })({ service, incident, ...input });

async function record(
  kind: LedgerKind,
  at: number,
  facts: LedgerEntry['facts'],
  of: string | null = incident,
): Promise<void> {
  const actor = { name: 'lastgood', proof: 'lastgood', from: 'test' } as const;
  await ledger.append({
    service,
    key: `service/${service}/${at}`,
    at,
    kind,
    incident: of,
    actor,
    summary: kind,
    facts,
  });
}

beforeEach(async () => {
  ledger = new MemoryLedger();
  evidence = new FakeEvidence();
  telemetry = new FakeTelemetry(service);
  outside = { values: () => Promise.reject(new Error('no such metric')) };
  for (let seq = 1; seq <= 42 * 60; seq += 10) {
    const failures = seq >= 38 * 60 && seq < 41 * 60 ? 8 : 0;
    // The gateway was down for a while: nothing is on record.
    if (seq < 25 * 60 || seq > 30 * 60) telemetry.push(counts(seq, { failures, latency: latency(20, 40) }));
  }
  await record('degradation-began', decidedAt - 1_000, { metric: 'error-rate' }, null);
  await record('rollback-decided', decidedAt, { verdict: verdict() });
});

const pictures = (): string[] => [...evidence.kept.values()];

it('keeps the picture of a decision under its digest, and the ledger says which', async () => {
  const { digest } = await draw({ at: decidedAt, moment: 'rollback-decided' });
  expect([...evidence.kept.keys()]).toEqual([`${service} ${incident} ${digest}`]);
  const [entry] = await ledger.read(service, { kinds: ['evidence-kept'] });
  expect(entry).toMatchObject({ incident, at: decidedAt, facts: { chart: { digest, media: 'image/svg+xml' } } });
  const [svg = ''] = pictures();
  expect(svg).toContain('8 of 20 requests failed (40 %)');
  expect(svg).toContain('onset 12:38:00');
  expect(svg).toContain('alarm 12:39:59');
  expect(svg).not.toContain('traffic shifted');
  // Before and after the time without rows.
  expect(svg.match(/class="series"/g)).toHaveLength(2);
});

it('draws it again after settle, with the moment of the shift', async () => {
  await draw({ at: decidedAt, moment: 'rollback-decided' });
  await record('traffic-shifted', settledAt - 5_000, {});
  await record('settled', settledAt, { detectedAt: decidedAt - 1_000, shiftedAt: settledAt - 5_500 });
  await draw({ at: settledAt, moment: 'settled' });
  expect(pictures()).toHaveLength(2);
  expect(pictures()[1]).toContain(`traffic shifted 12:41:54`);
});

it('is the same picture when it is drawn again, also when late rows have come meanwhile', async () => {
  const first = await draw({ at: decidedAt, moment: 'rollback-decided' });
  telemetry.push(counts(10_000, { fromMs: decidedAt - 30_000, failures: 20 }));
  expect(await draw({ at: decidedAt, moment: 'rollback-decided' })).toEqual(first);
  expect(pictures()).toHaveLength(1);
});

it('waits for an entry that is not in the ledger yet, and for a ledger that is down', async () => {
  await expect(draw({ at: settledAt, moment: 'settled' })).rejects.toBeInstanceOf(IncidentNotRecorded);
  ledger.setOutage('refuse');
  await expect(draw({ at: decidedAt, moment: 'rollback-decided' })).rejects.toThrow(/ledger/);
});

it('begins with the first value, so that an incident of seconds on a young service can be seen', async () => {
  telemetry = new FakeTelemetry(service);
  for (let seq = 38 * 60 - 30; seq <= 38 * 60 + 5; seq += 1)
    telemetry.push(counts(seq, { failures: seq >= 38 * 60 ? 8 : 0, latency: latency(20, 40) }));
  const at = startMs + 38 * minute + 5_000;
  const onsetMs = startMs + 38 * minute;
  await record('rollback-held', at, { verdict: verdict({ sinceMs: onsetMs, onsetMs, onsetLowMs: onsetMs }) });
  await draw({ at, moment: 'rollback-held' });
  const [svg = ''] = pictures();
  const across = [...(/class="series" d="M([^"]*)"/.exec(svg)?.[1] ?? '').matchAll(/([\d.]+)[ ,][\d.]+/g)].map(
    ([, x]) => Number(x),
  );
  // From the left edge of the plot to its right one.
  expect(Math.max(...across) - Math.min(...across)).toBeGreaterThan(500);
});

it('draws limits and moments where the values cannot be read', async () => {
  telemetry.window = () => Promise.reject(new Error('down'));
  await draw({ at: decidedAt, moment: 'rollback-decided' });
  expect(pictures()[0]).toContain('No values of it are on record.');
  expect(pictures()[0]).toContain('upper limit');
});

it('draws a recall, a latency and a metric from outside in their own terms', async () => {
  const drawn = async (at: number, change: Readonly<Record<string, Json>>): Promise<string> => {
    await record('rollback-held', at, { verdict: verdict(change) });
    const { digest } = await draw({ at, moment: 'rollback-held' });
    return evidence.kept.get(`${service} ${incident} ${digest}`) ?? '';
  };
  telemetry.push(counts(9_000, { fromMs: startMs + 39 * minute, labels: { bulk: { n: 10, correct: 6 } } }));
  expect(await drawn(decidedAt + 1, { metric: 'recall:bulk', lcl: 0.9, ucl: null })).toMatch(/1 values of recall:bulk/);
  expect(await drawn(decidedAt + 2, { metric: 'latency-p95', unit: 'ms', expected: 40, ucl: 65 })).toContain('65 ms');
  outside = {
    values: async (_service, metric, from) =>
      Promise.resolve(
        metric === 'quality' ? [1, 2, 3].map((n) => ({ atMs: from + n * minute, value: 80 + n, n: null })) : [],
      ),
  };
  expect(await drawn(decidedAt + 3, { metric: 'quality', unit: 'points', expected: 80, ucl: null, lcl: 70 })).toMatch(
    /3 values of quality/,
  );
});

it('draws nothing for an incident without a verdict', async () => {
  await record('incident-ended', settledAt, {}, 'other');
  const drawn = drawIncident({ ledger, evidence, telemetry, outside });
  expect(await drawn({ service, incident: 'other', at: settledAt, moment: 'incident-ended' })).toEqual({
    digest: null,
  });
  expect(pictures()).toEqual([]);
});
