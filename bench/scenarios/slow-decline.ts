import { assessTrend } from '../../activities/assess-trend';
import { computeBaseline } from '../../activities/compute-baseline';
import type { ArtifactStore, Environment } from '../../activities/ports';
import type { ServicePolicy } from '../../domain/policy';
import type { CountsRow } from '../../gateway/protocol';
import type { Baseline, ChartStates, GoodPeriod } from '../../workflows/contract/activities';
import { emptyRow } from '../../workers/replay/csv';
import { sfc32 } from '../calibration/random';
import { minuteSeries, type Background } from './backgrounds';
import { binomial } from './draws';
import { telemetryOf } from './shipped';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 2, 2);
const VERSION = '1.1';
const DAYS_BEFORE = 2;
const DECLINE_DAYS = 20;
const SIGMAS_A_DAY = 0.5;
const RECALL = 0.95;
/** How much of the background's own movement the share of wrong answers has. */
const WRONG_MOVES = 0.5;
const LABELS_AN_HOUR = 3_600;
/** Rows that are no longer than what a baseline reads at once. */
const ROWS_AN_HOUR = 6;

/**
 * Accuracy that falls by half a sigma of its own hourly means a day, for 20 days, while the baseline is recomputed
 * every day from good periods that reach up to the day before. Days until the trend tier says so; null: not within them.
 */
export async function slowDecline(
  seed: number,
  backgrounds: readonly Background[],
  policy: ServicePolicy,
): Promise<number | null> {
  const uniform = sfc32(seed, 7);
  const background = backgrounds[Math.floor(uniform() * backgrounds.length)] as Background;
  const hours = (DAYS_BEFORE + DECLINE_DAYS) * 24;
  // One value an hour: the clock of the background runs 60 times as fast as that of its minutes.
  const moves = minuteSeries({ ...background, daily: Array<number>(24).fill(1) }, START_MS, hours, uniform);
  const wrongAt = (hour: number): number => (1 - RECALL) * (1 + WRONG_MOVES * Math.max(-0.9, (moves[hour] ?? 1) - 1));
  const sampling = Math.sqrt((RECALL * (1 - RECALL)) / LABELS_AN_HOUR);
  const sigma = Math.hypot(sampling, (1 - RECALL) * WRONG_MOVES * background.sigma);
  const rows = Array.from({ length: hours * ROWS_AN_HOUR }, (_, at) => {
    const hour = Math.floor(at / ROWS_AN_HOUR);
    const declined = Math.max(0, hour / 24 - DAYS_BEFORE) * SIGMAS_A_DAY * sigma;
    const labels = LABELS_AN_HOUR / ROWS_AN_HOUR;
    return rowOf(at, labels, binomial(labels, Math.min(1, wrongAt(hour) + declined), uniform));
  });
  const telemetry = telemetryOf(rows);
  const recompute = computeBaseline({ telemetry, artifacts: { get: async () => null } as unknown as ArtifactStore });
  const assess = assessTrend({ telemetry, environment: unseen });
  const service = 'scenario';
  let baseline: Baseline | null = null;
  let anchors: Record<string, number> = {};
  let charts: ChartStates = {};
  for (let hour = DAYS_BEFORE * 24; hour <= hours; hour += 1) {
    const now = START_MS + hour * HOUR_MS;
    if (baseline === null || hour % 24 === 0) {
      const periods: GoodPeriod[] = [{ version: VERSION, from: START_MS, to: now }];
      const input = { service, version: VERSION, periods, anchorVersion: VERSION, anchors, policy: policy.detection };
      baseline = await recompute(input);
      // The first warm baseline is the anchor of all others.
      if (Object.keys(anchors).length === 0)
        anchors = Object.fromEntries(Object.entries(baseline.metrics).map(([name, { value }]) => [name, value]));
    }
    const found = await assess({
      service,
      version: VERSION,
      epoch: 1,
      routedAt: START_MS,
      now,
      charts,
      standing: [],
      baseline,
      policy: policy.detection,
    });
    charts = found.charts;
    if (found.began.some(({ verdict }) => verdict.metric === 'accuracy' || verdict.metric.startsWith('recall:')))
      return (now - START_MS) / DAY_MS - DAYS_BEFORE;
  }
  return null;
}

function rowOf(at: number, labelled: number, wrong: number): CountsRow {
  const stepMs = HOUR_MS / ROWS_AN_HOUR;
  const fromMs = START_MS + at * stepMs;
  return {
    ...emptyRow({ atMs: fromMs, version: VERSION }, at + 1),
    toMs: fromMs + stepMs,
    requests: labelled,
    labels: { ham: { n: labelled, correct: labelled - wrong } },
  };
}

const unseen: Environment = { assess: async () => ({ changed: [], unmeasured: [], facts: {} }) };
