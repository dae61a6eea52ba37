import { computeBaseline } from '../../../activities/compute-baseline';
import { LATENCY } from '../../../activities/detection/latency-chart';
import { WatchFold } from '../../../activities/detection/watch-fold';
import type { ArtifactStore, Telemetry } from '../../../activities/ports';
import type { CountsRow } from '../../../gateway/protocol';
import type { Baseline } from '../../../workflows/contract/activities';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { counts, latency, policy as shipped, watchInput } from './detection-rows';

/** The interval that the delays below are for. */
const policy = { ...shipped, falseAlarmDays: 30 };
const everyMs = 10_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const startMs = Date.UTC(2026, 4, 4);
const learnedMs = startMs + 7 * dayMs;
/** Of one interval's noise; two of them are 30 %, which the rule's quarter lets pass. */
const sigma = 0.15;

const seasonal = (atMs: number): number => 300 - 100 * Math.cos(((atMs % dayMs) / dayMs) * 2 * Math.PI);
const flat = (): number => 300;

/** One interval of 100 requests each ten seconds; from `stepMs` on slower by two sigmas. */
function intervals(usual: (atMs: number) => number, fromMs: number, toMs: number, seed: number, stepMs = Infinity) {
  const draw = normalDraws(mulberry32(seed));
  return Array.from({ length: Math.round((toMs - fromMs) / everyMs) }, (_, index): CountsRow => {
    const atMs = fromMs + index * everyMs;
    const valueMs = usual(atMs) * (1 + sigma * draw()) * (atMs >= stepMs ? 1 + 2 * sigma : 1);
    return counts(1 + index, { fromMs: atMs, toMs: atMs + everyMs, requests: 100, latency: latency(100, valueMs) });
  });
}

/** From the good time since `fromMs`: a week of it, or six hours, as limits were made before they knew the hour. */
async function learned(usual: (atMs: number) => number, fromMs = startMs): Promise<Baseline> {
  const history = intervals(usual, startMs, learnedMs, 1);
  const place = (atMs: number): number => Math.max(0, Math.ceil((atMs - startMs) / everyMs));
  const telemetry = {
    window: async (_service: string, from: number, to: number) => history.slice(place(from), place(to)),
  } as unknown as Telemetry;
  const artifacts = { get: async () => null } as unknown as ArtifactStore;
  return await computeBaseline({ telemetry, artifacts })({
    service: 's',
    version: '1.3',
    periods: [{ version: '1.3', from: fromMs, to: learnedMs }],
    anchorVersion: '1.3',
    anchors: {},
    policy,
  });
}

/** Begins of verdicts on latency, as the watch sees the rows one by one. */
function begins(baseline: Baseline, rows: readonly CountsRow[], first = false): number[] {
  const routedAt = rows[0]?.fromMs ?? 0;
  const fold = new WatchFold(watchInput({ baseline, policy, routedAt, deployedAt: null }), { cursor: 0, charts: {} });
  for (const row of rows) {
    const before = fold.began.length;
    fold.take(row);
    if (first && fold.began.length > before) return [row.toMs];
  }
  return fold.began.filter(({ verdict }) => verdict.metric === LATENCY).map(({ verdict }) => verdict.onsetMs ?? 0);
}

/** Seconds from a step of two sigmas to the verdict, at eight hours of the day. */
function delays(baseline: Baseline, usual: (atMs: number) => number): number[] {
  const found = Array.from({ length: 8 }, (_, run) => {
    const stepMs = learnedMs + (1 + 3 * run) * hourMs;
    const rows = intervals(usual, stepMs - hourMs / 2, stepMs + hourMs, 100 + run, stepMs);
    return ((begins(baseline, rows, true)[0] ?? Infinity) - stepMs) / 1_000;
  });
  return found.sort((left, right) => left - right);
}

const fourDays = (usual: (atMs: number) => number) => intervals(usual, learnedMs, learnedMs + 4 * dayMs, 7);

describe('limits that know the hour of the day', () => {
  it('have no false verdict in four days of a strong season, where limits of the last six hours have some each day', async () => {
    const byHour = await learned(seasonal);
    expect(byHour.metrics[LATENCY]?.season).toBeDefined();
    expect(begins(byHour, fourDays(seasonal))).toEqual([]);
    const recent = await learned(seasonal, learnedMs - 6 * hourMs);
    expect(recent.metrics[LATENCY]?.season).toBeUndefined();
    expect(begins(recent, fourDays(seasonal).slice(0, 8_640)).length).toBeGreaterThan(1);
  });

  it('find a step of two sigmas at any hour about as soon as where there is no season', async () => {
    const [withSeason, without] = [delays(await learned(seasonal), seasonal), delays(await learned(flat), flat)];
    for (const each of [withSeason, without]) {
      expect(each[0]).toBeGreaterThan(0);
      expect(each[4]).toBeLessThanOrEqual(180);
      expect(each[7]).toBeLessThanOrEqual(600);
    }
    // The same noise in both: what is left is the price of the season.
    withSeason.forEach((delay, run) => expect(delay - (without[run] ?? 0)).toBeLessThanOrEqual(60));
  });

  it('change nothing where days do not differ', async () => {
    const known = await learned(flat);
    expect(known.metrics[LATENCY]).toMatchObject({ source: 'good periods' });
    expect(known.metrics[LATENCY]?.season).toBeUndefined();
    expect(begins(known, fourDays(flat))).toEqual([]);
  });
});
