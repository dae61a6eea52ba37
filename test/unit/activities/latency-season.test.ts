import { computeBaseline } from '../../../activities/compute-baseline';
import { expectedAt, LATENCY, latencySpec } from '../../../activities/detection/latency-chart';
import { judgeLatency } from '../../../activities/detection/latency-window';
import { WatchFold } from '../../../activities/detection/watch-fold';
import type { ArtifactStore, Telemetry } from '../../../activities/ports';
import { seededUniform } from '../../../domain/detection/seeded-random';
import type { CountsRow } from '../../../gateway/protocol';
import type { AssessmentInput, Baseline } from '../../../workflows/contract/activities';
import { counts, latency, policy, watchInput } from './detection-rows';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const startMs = Date.UTC(2026, 4, 4);
const uniform = seededUniform(11);

/** Twice as slow at noon as at midnight. */
const usualMs = (atMs: number): number => 300 - 100 * Math.cos(((atMs % (24 * HOUR_MS)) / HOUR_MS) * (Math.PI / 12));

function minutes(fromMs: number, toMs: number, times = 1): CountsRow[] {
  return Array.from({ length: (toMs - fromMs) / MINUTE_MS }, (_, index) => {
    const atMs = fromMs + index * MINUTE_MS;
    const p95Ms = usualMs(atMs) * times * (1 + 0.1 * (uniform() - 0.5));
    return counts(1 + index, { fromMs: atMs, toMs: atMs + MINUTE_MS, requests: 600, latency: latency(600, p95Ms) });
  });
}

async function baselineOf(history: readonly CountsRow[], toMs: number): Promise<Baseline> {
  const window = async (_service: string, from: number, to: number): Promise<CountsRow[]> =>
    history.filter(({ fromMs }) => fromMs >= from && fromMs < to);
  const artifacts = { get: async () => null } as unknown as ArtifactStore;
  const telemetry = { window } as unknown as Telemetry;
  return await computeBaseline({ telemetry, artifacts })({
    service: 's',
    version: '1.3',
    periods: [{ version: '1.3', from: history[0]?.fromMs ?? 0, to: toMs }],
    anchorVersion: '1.3',
    anchors: {},
    policy,
  });
}

function verdictsOf(baseline: Baseline, seen: readonly CountsRow[]): string[] {
  const routedAt = seen[0]?.fromMs ?? 0;
  const fold = new WatchFold(watchInput({ baseline, routedAt, deployedAt: null }), { cursor: 0, charts: {} });
  for (const row of seen) fold.take(row);
  const now = seen[seen.length - 1]?.toMs ?? 0;
  const input: AssessmentInput = {
    service: 's',
    version: '1.3',
    epoch: 7,
    routedAt,
    now,
    charts: {},
    standing: [],
    baseline,
    policy,
  };
  const window = judgeLatency(input, seen.slice(-20)).flatMap(({ verdict }) => (verdict ? [verdict] : []));
  return [...fold.began.map(({ verdict }) => verdict), ...window].map(({ sentence }) => sentence);
}

describe('a service that is twice as slow at noon as at midnight', () => {
  const sixInTheMorning = startMs + 7 * 24 * HOUR_MS + 6 * HOUR_MS;
  const week = minutes(startMs, sixInTheMorning);

  it('is expected to be so after a week', async () => {
    const baseline = await baselineOf(week, sixInTheMorning);
    const spec = latencySpec(policy, baseline);
    expect(baseline.metrics[LATENCY]?.source).toContain('by the hour of the day');
    if (!spec) throw new Error('no chart');
    for (const hour of [0.5, 6.5, 12.5, 18.5]) {
      const expected = expectedAt(spec, sixInTheMorning + hour * HOUR_MS)?.baselineMs ?? NaN;
      expect(expected / usualMs(sixInTheMorning + hour * HOUR_MS)).toBeCloseTo(1, 1);
    }
    expect(JSON.stringify(baseline.metrics[LATENCY]).length).toBeLessThan(900);
  });

  it('is no alarm at noon, and one when it is half as slow again', async () => {
    const baseline = await baselineOf(week, sixInTheMorning);
    expect(verdictsOf(baseline, minutes(sixInTheMorning, sixInTheMorning + 6 * HOUR_MS))).toEqual([]);
    const late = sixInTheMorning + 12 * HOUR_MS;
    const slow = verdictsOf(baseline, minutes(late, late + 30 * MINUTE_MS, 1.5));
    expect(slow.length).toBeGreaterThan(0);
    expect(slow[0]).toMatch(/its own history says 29\d ms/);
  });

  it('has no season after two days, and says so by its source', async () => {
    const baseline = await baselineOf(minutes(sixInTheMorning - 48 * HOUR_MS, sixInTheMorning), sixInTheMorning);
    expect(baseline.metrics[LATENCY]).toMatchObject({ source: 'good periods' });
    expect(baseline.metrics[LATENCY]?.season).toBeUndefined();
  });
});

it('a level of errors that moves in good times raises its limit, up to the margin', async () => {
  const now = startMs + 12 * HOUR_MS;
  const moving = minutes(startMs, now).map((row, at) => ({ ...row, failures: Math.floor(at / 60) % 2 === 0 ? 2 : 10 }));
  const [steady, wild] = [minutes(startMs, now).map((row) => ({ ...row, failures: 6 })), moving];
  const [calm, restless] = [await baselineOf(steady, now), await baselineOf(wild, now)];
  expect(calm.metrics['error-rate']?.spread).toBe(0);
  expect(restless.metrics['error-rate']?.spread).toBeCloseTo(0.0066, 3);
});
