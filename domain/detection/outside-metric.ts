import type { OutsideMetric } from '../policy';
import { chartLimits, type ChartLimits } from './chart-limits';
import { SHORT_WINDOW_DESIGN, TREND_DESIGN } from './normal-chart';
import { median } from './robust';
import type { HarmfulDirection, Verdict } from './types';
import { assessValueChart, initialValueChart, stepValueChart, type ValueChartParams } from './value-chart';
import { buildVerdict, numberText } from './verdict';

/** One value as it came from outside: the mean of `n` samples; null where the source does not say. */
export interface OutsideValue {
  readonly atMs: number;
  readonly value: number;
  readonly n: number | null;
}

/** One point of a chart; `atMs` is the begin of what it is made of. */
export interface OutsidePoint {
  readonly atMs: number;
  readonly value: number;
  readonly samples: number;
}

/** What a value of this kind can be; null: no bound. Everything else was not measured, or not this. */
export function boundsOf(kind: OutsideMetric['kind']): { readonly min: number | null; readonly max: number | null } {
  switch (kind) {
    case 'rate':
      return { min: 0, max: 1 };
    case 'memory':
    case 'distribution':
      return { min: 0, max: null };
    case 'mean':
    case 'quantile':
      return { min: null, max: null };
  }
}

/**
 * Points of at least `minSamples` in the order of time, each the mean weighted by samples; what is left over is no
 * point yet. Two values of one moment are one: the later in the list corrects the earlier.
 */
export function outsidePoints(values: readonly OutsideValue[], minSamples: number): OutsidePoint[] {
  const byMoment = new Map<number, OutsideValue>();
  for (const value of values)
    if (Number.isFinite(value.value) && Number.isFinite(value.atMs)) byMoment.set(value.atMs, value);
  const points: OutsidePoint[] = [];
  let open: { atMs: number; sum: number; samples: number } | null = null;
  for (const { atMs, value, n } of [...byMoment.values()].sort((left, right) => left.atMs - right.atMs)) {
    const samples = Math.max(1, n ?? 1);
    open = open ?? { atMs, sum: 0, samples: 0 };
    open = { ...open, sum: open.sum + value * samples, samples: open.samples + samples };
    if (open.samples < minSamples) continue;
    points.push({ atMs: open.atMs, value: open.sum / open.samples, samples: open.samples });
    open = null;
  }
  return points;
}

/** Limits from the points of good periods; a metric that never moved must not alarm at a third of its margin. */
export function outsideLimits(history: readonly OutsidePoint[], practicalMargin: number): ChartLimits {
  return chartLimits(
    history.map(({ value }) => value),
    { spreadFloor: practicalMargin / 3 },
  );
}

/** A recomputed centre stays within the practical margin of its anchor on the harmful side; the spread is its own. */
export function heldAtAnchor(limits: ChartLimits, metric: OutsideMetric, anchor: number): ChartLimits {
  const { badDirection, practicalMargin } = metric;
  const highest = badDirection === 'down' ? Infinity : anchor + practicalMargin;
  const lowest = badDirection === 'up' ? -Infinity : anchor - practicalMargin;
  return { ...limits, center: Math.max(lowest, Math.min(highest, limits.center)) };
}

/** The newest points that decide whether a degradation is over. */
const CALM_POINTS = 5;

/** True when the newest points are enough, none is beyond its limit, and together they are within the margin. */
export function outsideIsCalm(
  metric: OutsideMetric,
  points: readonly OutsidePoint[],
  { center, spread, scoreMean, scoreSd, widening }: ChartLimits,
): boolean {
  const newest = points.slice(-CALM_POINTS);
  if (newest.length < CALM_POINTS) return false;
  const middle = center + scoreMean * spread;
  const reach = Math.max(metric.practicalMargin, 3 * spread * scoreSd * widening);
  const mean = newest.reduce((sum, { value }) => sum + value, 0) / newest.length;
  return directionsOf(metric).every((harmful) => {
    const harm = (value: number): number => (harmful === 'up' ? value - middle : middle - value);
    return harm(mean) < metric.practicalMargin && newest.every(({ value }) => harm(value) <= reach);
  });
}

export interface OutsideAssessment {
  /** Null: there is no history of good periods yet. */
  readonly limits: ChartLimits | null;
  readonly baseline: string;
  readonly nowMs: number;
  /** Values that came, before they were put together to points; null: the source could not be asked. */
  readonly values: number | null;
}

/**
 * The verdict on one metric from outside: value charts over the points of its window, one for each harmful direction.
 * No value is `unmeasured`; too few samples for a point, or no history, is `inconclusive`. A jump by a thousand looks
 * like another unit and is `unmeasured`, with its own sentence.
 */
export function assessOutsideMetric(
  metric: OutsideMetric,
  points: readonly OutsidePoint[],
  { limits, baseline, nowMs, values }: OutsideAssessment,
): Verdict {
  const common = {
    tier: metric.tier,
    metric: metric.metric,
    unit: metric.unit,
    baseline,
    statistic: { name: 'EWMA and CUSUM', value: 0, threshold: 1, falseAlarmDays: null },
  };
  const name = metric.metric;
  if (values === null || values === 0) {
    const sentence = values === null ? `${name}: its source cannot be asked` : `${name}: no value in its window`;
    return buildVerdict({ ...common, kind: 'unmeasured', sentence });
  }
  if (points.length === 0) {
    const sentence = `${name}: ${values} values hold fewer than ${metric.minSamples} samples`;
    return buildVerdict({ ...common, kind: 'inconclusive', sentence });
  }
  if (limits === null) {
    const observed = median(points.map(({ value }) => value));
    const sentence = `${name} is ${numberText(observed ?? 0)} ${metric.unit}; there is no good history to compare it with`;
    return buildVerdict({ ...common, kind: 'inconclusive', observed, samples: points.length, sentence });
  }
  const verdicts = directionsOf(metric).map((harmful) => chartOf(metric, points, limits, harmful, { baseline, nowMs }));
  const [worst = verdicts[0] as Verdict] = verdicts.sort((left, right) => severity(right) - severity(left));
  if (worst.kind !== 'degraded') return worst;
  const factor = suspectedUnit(metric, worst.observed, limits);
  if (factor !== null) {
    const sentence =
      `${name} is ${numberText(worst.observed ?? 0)} ${metric.unit}, ${factor} times its history: ` +
      `that looks like another unit, not like a degradation; it is not judged`;
    return buildVerdict({ ...worst, kind: 'unmeasured', onsetMs: null, onsetLowMs: null, onsetHighMs: null, sentence });
  }
  // The charts remember a burst for long; what is over already is nothing to begin with.
  if (outsideIsCalm(metric, points, limits)) return { ...worst, kind: 'inconclusive' };
  return worst;
}

function chartOf(
  metric: OutsideMetric,
  points: readonly OutsidePoint[],
  limits: ChartLimits,
  harmful: HarmfulDirection,
  { baseline, nowMs }: { readonly baseline: string; readonly nowMs: number },
): Verdict {
  const params: ValueChartParams = {
    design: metric.tier === 'trend' ? TREND_DESIGN : SHORT_WINDOW_DESIGN,
    limits,
    harmful,
    practicalMargin: metric.practicalMargin,
    unit: metric.unit,
  };
  let state = initialValueChart();
  for (const { atMs, value } of points) state = stepValueChart(state, params, { atMs, value });
  return assessValueChart(state, params, {
    metric: metric.metric,
    tier: metric.tier,
    baseline,
    nowMs,
    staleMs: metric.windowMs,
  });
}

function directionsOf({ badDirection }: OutsideMetric): HarmfulDirection[] {
  return badDirection === 'both' ? ['up', 'down'] : [badDirection];
}

function severity({ kind }: Verdict): number {
  return kind === 'degraded' ? 2 : kind === 'inconclusive' ? 1 : 0;
}

const UNIT_FACTORS = [1e3, 1e6, 1e-3, 1e-6] as const;
/** A third more or less: the mean since the onset may hold a point from before it. */
const UNIT_TOLERANCE = 0.15;

/** The factor between two units (ms and s, bytes and MB) that a jump hits; rates and distances have no other unit. */
function suspectedUnit(metric: OutsideMetric, observed: number | null, { center }: ChartLimits): number | null {
  if (metric.kind === 'rate' || metric.kind === 'distribution' || observed === null || center === 0) return null;
  const ratio = observed / center;
  if (!(ratio > 0)) return null;
  return UNIT_FACTORS.find((factor) => Math.abs(Math.log10(ratio / factor)) < UNIT_TOLERANCE) ?? null;
}
