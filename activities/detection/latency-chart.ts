import {
  assessQuantile,
  initialQuantile,
  quantileLimitMs,
  stepQuantile,
  type QuantileParams,
  type QuantileState,
} from '../../domain/detection/latency-quantile';
import { factorAt } from '../../domain/detection/hour-of-day';
import { oneSidedDesign } from '../../domain/detection/chart-design';
import { recentred } from '../../domain/detection/score-reference';
import { sustainedHits } from '../../domain/detection/sustained';
import type { Verdict } from '../../domain/detection/types';
import {
  initialValueChart,
  stepValueChart,
  valueChartEvidence,
  valueChartParams,
  type ValueChartParams,
  type ValueChartState,
} from '../../domain/detection/value-chart';
import { falseAlarmText } from '../../domain/detection/verdict';
import type { DetectionPolicy, MetricPolicy } from '../../domain/policy';
import type { CountsRow } from '../../gateway/protocol';
import type { Baseline, TierReading } from '../../workflows/contract/activities';

export const LATENCY = 'latency-p95';
/** An interval is closed after this, when it holds enough requests … */
export const INTERVAL_MS = 10_000;
/** … or after this, enough or not. */
const INTERVAL_MAX_MS = 60_000;
const DAY_MS = 86_400_000;

export interface LatencySpec {
  readonly metric: MetricPolicy;
  /** Null: nothing is known to compare with. */
  readonly params: QuantileParams | null;
  /** Null: the history is too short for limits, the rule decides alone. */
  readonly chart: ValueChartParams | null;
  /** Usual factors of the hours of the day; null where days do not repeat themselves, or are too few. */
  readonly season: readonly number[] | null;
  readonly source: string;
}

/** `interval`: begin, requests, and the sum of each row's p95 times its requests. */
export interface LatencyChart {
  readonly state: QuantileState;
  readonly values: ValueChartState | null;
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
  const season = known?.season ?? null;
  return { metric, params, chart: chartOf(known, policy), season, source: known?.source ?? 'no history' };
}

/** What is expected at that time of day. */
export function expectedAt({ params, season }: LatencySpec, atMs: number): QuantileParams | null {
  return params === null ? null : { ...params, baselineMs: round(params.baselineMs * factorAt(season, atMs)) };
}

/** The design for the policy's false-alarm interval, on scores around the centre that the baseline allows. */
function chartOf(known: Baseline['metrics'][string] | undefined, policy: DetectionPolicy): ValueChartParams | null {
  if (known?.reference === undefined) return null;
  const points = (policy.falseAlarmDays * DAY_MS) / INTERVAL_MS;
  return valueChartParams(recentred(known.reference, known.value), 'up', oneSidedDesign(points));
}

export function newLatency(): LatencyChart {
  return { state: initialQuantile(), values: null, interval: null, alarm: null };
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
  const params = expectedAt(spec, startMs);
  if (params === null) return { ...chart, interval: null };
  const row = { atMs: startMs, count, valueMs: round(weighted / count) };
  const state = stepQuantile(chart.state, params, row);
  return { ...chart, interval: null, state, values: stepValues(chart.values, spec, row) };
}

function stepValues(
  before: ValueChartState | null,
  { chart, metric, season }: LatencySpec,
  { atMs, count, valueMs }: { atMs: number; count: number; valueMs: number },
): ValueChartState | null {
  if (chart === null || count < metric.minSamples) return before;
  return stepValueChart(before ?? initialValueChart(chart), chart, { atMs, value: valueMs / factorAt(season, atMs) });
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
  const verdict = assessQuantile(chart.state, params, {
    metric: LATENCY,
    tier: spec.metric.tier,
    baseline: spec.source,
    nowMs,
    staleMs: Math.max(policy.unmeasuredAfterMs, 2 * INTERVAL_MAX_MS),
  });
  return spec.chart === null ? verdict : charted(verdict, chart.values, spec.chart, policy);
}

/** The rule says that it is large enough and lasts; the chart, that the history's own noise is not the reason. */
function charted(
  verdict: Verdict,
  values: ValueChartState | null,
  params: ValueChartParams,
  { falseAlarmDays }: DetectionPolicy,
): Verdict {
  if (verdict.kind !== 'degraded' || values === null) return verdict;
  const { sustained, statistic } = valueChartEvidence(values, params);
  const said = { ...verdict, statistic: { ...statistic, falseAlarmDays } };
  if (sustained) return { ...said, sentence: `${verdict.sentence}; ${falseAlarmText(falseAlarmDays)}` };
  return { ...said, kind: 'inconclusive', onsetMs: null, onsetLowMs: null, onsetHighMs: null };
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
  const seen = chart.state.atMs;
  const params = expectedAt(spec, seen ?? nowMs);
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
  // A chart of before the value chart begins one.
  return { values: null, ...value } as LatencyChart;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
