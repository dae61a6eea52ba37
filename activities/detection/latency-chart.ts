import {
  assessQuantile,
  initialQuantile,
  quantileLimitMs,
  stepQuantile,
  type QuantileParams,
  type QuantileState,
} from '../../domain/detection/latency-quantile';
import { sustainedHits } from '../../domain/detection/sustained';
import type { Verdict } from '../../domain/detection/types';
import type { DetectionPolicy, MetricPolicy } from '../../domain/policy';
import type { CountsRow } from '../../gateway/protocol';
import type { Baseline, TierReading } from '../../workflows/contract/activities';

export const LATENCY = 'latency-p95';
/** An interval is closed after this, when it holds enough requests … */
export const INTERVAL_MS = 10_000;
/** … or after this, enough or not. */
const INTERVAL_MAX_MS = 60_000;

export interface LatencySpec {
  readonly metric: MetricPolicy;
  /** Null: nothing is known to compare with. */
  readonly params: QuantileParams | null;
  readonly source: string;
}

/** `interval`: begin, requests, and the sum of each row's p95 times its requests. */
export interface LatencyChart {
  readonly state: QuantileState;
  readonly interval: readonly [startMs: number, count: number, weighted: number] | null;
  readonly alarm: { readonly id: string } | null;
}

export function latencySpec(policy: DetectionPolicy, baseline: Baseline): LatencySpec | null {
  const metric = policy.metrics.find((one) => one.metric === LATENCY);
  if (!metric) return null;
  const known = baseline.metrics[LATENCY];
  const params =
    known === undefined
      ? null
      : { quantile: 0.95, baselineMs: known.value, marginMs: metric.practicalMargin, minCount: metric.minSamples };
  return { metric, params, source: known?.source ?? 'no history' };
}

export function newLatency(): LatencyChart {
  return { state: initialQuantile(), interval: null, alarm: null };
}

/**
 * Folds one row. Quantiles of rows cannot be merged; the mean of the rows' p95, weighted with their requests, is
 * compared with a baseline that was made in the same way.
 */
export function foldLatency(chart: LatencyChart, spec: LatencySpec, row: CountsRow): LatencyChart {
  const { latency } = row;
  if (latency === null || !(latency.count > 0) || !Number.isFinite(latency.p95Ms)) return chart;
  const closed = closeInterval(chart, spec, row.fromMs);
  const [startMs, count, weighted] = closed.interval ?? [row.fromMs, 0, 0];
  return { ...closed, interval: [startMs, count + latency.count, weighted + latency.p95Ms * latency.count] };
}

function closeInterval(chart: LatencyChart, spec: LatencySpec, atMs: number): LatencyChart {
  const { interval } = chart;
  if (interval === null) return chart;
  const [startMs, count, weighted] = interval;
  const enough = count >= spec.metric.minSamples && atMs - startMs >= INTERVAL_MS;
  if (!enough && atMs - startMs < INTERVAL_MAX_MS) return chart;
  if (spec.params === null) return { ...chart, interval: null };
  const row = { atMs: startMs, count, valueMs: round(weighted / count) };
  return { ...chart, interval: null, state: stepQuantile(chart.state, spec.params, row) };
}

/** Mean p95 by interval, for baselines and windows: the same statistic as the chart's. */
export function latencyIntervals(rows: readonly CountsRow[], minSamples: number): { atMs: number; valueMs: number }[] {
  const intervals: { atMs: number; valueMs: number }[] = [];
  let open: [number, number, number] | null = null;
  for (const { fromMs, latency } of rows) {
    if (latency === null || !(latency.count > 0) || !Number.isFinite(latency.p95Ms)) continue;
    if (open && fromMs - open[0] >= INTERVAL_MS && (open[1] >= minSamples || fromMs - open[0] >= INTERVAL_MAX_MS)) {
      if (open[1] >= minSamples) intervals.push({ atMs: open[0], valueMs: round(open[2] / open[1]) });
      open = null;
    }
    open ??= [fromMs, 0, 0];
    open = [open[0], open[1] + latency.count, open[2] + latency.p95Ms * latency.count];
  }
  if (open && open[1] >= minSamples) intervals.push({ atMs: open[0], valueMs: round(open[2] / open[1]) });
  return intervals;
}

export function latencyVerdict(
  chart: LatencyChart,
  spec: LatencySpec,
  params: QuantileParams,
  nowMs: number,
  policy: DetectionPolicy,
): Verdict {
  return assessQuantile(chart.state, params, {
    metric: LATENCY,
    tier: spec.metric.tier,
    baseline: spec.source,
    nowMs,
    staleMs: Math.max(policy.unmeasuredAfterMs, 2 * INTERVAL_MAX_MS),
  });
}

/** No interval of the rule's window is beyond the limit any more. */
export function latencyIsCalm({ state }: LatencyChart): boolean {
  return state.sustained.seen > 0 && sustainedHits(state.sustained) === 0;
}

export function latencyReading(
  chart: LatencyChart,
  spec: LatencySpec,
  nowMs: number,
  policy: DetectionPolicy,
): TierReading {
  const { params } = spec;
  const seen = chart.state.atMs;
  const base = { tier: spec.metric.tier, metric: LATENCY, at: seen ?? nowMs };
  if (params === null)
    return { ...base, kind: 'inconclusive', observed: null, expected: null, limit: null, samples: 0 };
  const { kind, observed, samples } = latencyVerdict(chart, spec, params, nowMs, policy);
  return {
    ...base,
    kind: chart.alarm !== null ? 'degraded' : kind === 'degraded' ? 'inconclusive' : kind,
    observed,
    expected: params.baselineMs,
    limit: quantileLimitMs(params),
    samples,
  };
}

export function unpackLatency(value: unknown): LatencyChart | null {
  if (typeof value !== 'object' || value === null || !('state' in value) || !('interval' in value)) return null;
  return value as LatencyChart;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
