import type { OutsideMetric } from '../policy';
import { oneSidedDesign } from './chart-design';
import { TREND_DESIGN, type ChartDesign } from './normal-chart';
import { offsetAt } from './hour-offsets';
import { median } from './robust';
import { centerOf, recentred, scoreReference, type ScoreReference } from './score-reference';
import type { Verdict } from './types';
import { initialValueChart, stepValueChart, VALUE_CHART_DESIGN, valueChartParams } from './value-chart';
import { assessValueChart } from './value-verdict';
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

const DAY_MS = 86_400_000;
/** Points between false alarms of {@link VALUE_CHART_DESIGN}. */
const USUAL_POINTS = 500;

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
    case 'series':
      return { min: null, max: null };
  }
}

/**
 * Points of at least `minSamples` in the order of time, each the mean weighted by samples; what is left over is no
 * point yet. Two values of one moment are one: the later in the list corrects the earlier.
 */
export function outsidePoints(values: readonly OutsideValue[], minSamples: number): OutsidePoint[] {
  return groupedPoints(values, minSamples).points;
}

export interface GroupedPoints {
  readonly points: OutsidePoint[];
  /** Begin of what does not fill a point yet; null where nothing is left over. */
  readonly openMs: number | null;
  /** Moment of the newest value; null where there is none. */
  readonly lastMs: number | null;
}

/** As {@link outsidePoints}, with what a later reading goes on from. */
export function groupedPoints(values: readonly OutsideValue[], minSamples: number): GroupedPoints {
  const byMoment = new Map<number, OutsideValue>();
  for (const value of values)
    if (Number.isFinite(value.value) && Number.isFinite(value.atMs)) byMoment.set(value.atMs, value);
  const points: OutsidePoint[] = [];
  let lastMs: number | null = null;
  let open: { atMs: number; sum: number; samples: number } | null = null;
  for (const { atMs, value, n } of [...byMoment.values()].sort((left, right) => left.atMs - right.atMs)) {
    const samples = Math.max(1, n ?? 1);
    lastMs = atMs;
    open = open ?? { atMs, sum: 0, samples: 0 };
    open = { ...open, sum: open.sum + value * samples, samples: open.samples + samples };
    if (open.samples < minSamples) continue;
    points.push({ atMs: open.atMs, value: open.sum / open.samples, samples: open.samples });
    open = null;
  }
  return { points, openMs: open?.atMs ?? null, lastMs };
}

/** What the points of good periods say; a metric that never moved must not alarm at a third of its margin. */
export function outsideReference(history: readonly OutsidePoint[], practicalMargin: number): ScoreReference {
  return scoreReference(
    history.map(({ value }) => value),
    practicalMargin / 3,
  );
}

/** A recomputed centre stays within the practical margin of its anchor on the harmful side; the shape is its own. */
export function heldAtAnchor(reference: ScoreReference, metric: OutsideMetric, anchor: number): ScoreReference {
  const { badDirection, practicalMargin } = metric;
  const highest = badDirection === 'down' ? Infinity : anchor + practicalMargin;
  const lowest = badDirection === 'up' ? -Infinity : anchor - practicalMargin;
  return recentred(reference, Math.max(lowest, Math.min(highest, centerOf(reference))));
}

/** The newest points that decide whether a degradation is over. */
const CALM_POINTS = 5;

/** True when the newest points are enough, none is beyond its limit, and together they are within the margin. */
export function outsideIsCalm(
  { badDirection, practicalMargin }: OutsideMetric,
  points: readonly OutsidePoint[],
  reference: ScoreReference,
): boolean {
  const newest = points.slice(-CALM_POINTS);
  if (newest.length < CALM_POINTS) return false;
  const center = centerOf(reference);
  const highest = Math.max(center + practicalMargin, reference.knots[reference.knots.length - 1] ?? center);
  const lowest = Math.min(center - practicalMargin, reference.knots[0] ?? center);
  const distance = newest.reduce((sum, { value }) => sum + value, 0) / newest.length - center;
  const calmAbove = distance < practicalMargin && newest.every(({ value }) => value <= highest);
  const calmBelow = -distance < practicalMargin && newest.every(({ value }) => value >= lowest);
  return (badDirection === 'down' || calmAbove) && (badDirection === 'up' || calmBelow);
}

/** Points and history as if all of them were of the newest point's hour of the day. */
export function atNewestHour(
  points: readonly OutsidePoint[],
  reference: ScoreReference,
  offsets: readonly number[] | null,
): { readonly points: readonly OutsidePoint[]; readonly reference: ScoreReference } {
  const newest = points[points.length - 1];
  if (offsets === null || newest === undefined) return { points, reference };
  const now = offsetAt(offsets, newest.atMs);
  return {
    points: points.map((point) => ({ ...point, value: point.value - offsetAt(offsets, point.atMs) + now })),
    reference: recentred(reference, centerOf(reference) + now),
  };
}

/** Points without what is usual at their hour of the day. */
export function withoutHour(
  points: readonly OutsidePoint[],
  offsets: readonly number[] | null,
): readonly OutsidePoint[] {
  return offsets === null
    ? points
    : points.map((point) => ({ ...point, value: point.value - offsetAt(offsets, point.atMs) }));
}

export interface OutsideAssessment {
  /** Null: there is no history of good periods yet. */
  readonly reference: ScoreReference | null;
  readonly baseline: string;
  readonly nowMs: number;
  /** Values that came, before they were put together to points; null: the source could not be asked. */
  readonly values: number | null;
  /** Days between false alarms of the chart; the trend promises none. */
  readonly falseAlarmDays: number;
}

/**
 * The verdict on one metric from outside: the value chart over the points of its window, on its harmful side or both.
 * No value is `unmeasured`; too few samples for a point, or no history, is `inconclusive`. Values in another unit are
 * `unmeasured` with a sentence of their own.
 */
export function assessOutsideMetric(
  metric: OutsideMetric,
  points: readonly OutsidePoint[],
  { reference, baseline, falseAlarmDays, nowMs, values }: OutsideAssessment,
): Verdict {
  const { metric: name, tier, unit, badDirection, practicalMargin } = metric;
  const statistic = { name: 'EWMA and CUSUM', value: 0, threshold: 1, falseAlarmDays: null };
  const common = { tier, metric: name, unit, baseline, statistic };
  if (values === null || values === 0) {
    const sentence = values === null ? `${name}: its source cannot be asked` : `${name}: no value in its window`;
    return buildVerdict({ ...common, kind: 'unmeasured', sentence });
  }
  if (points.length === 0) {
    const sentence = `${name}: ${values} values hold fewer than ${metric.minSamples} samples`;
    return buildVerdict({ ...common, kind: 'inconclusive', sentence });
  }
  if (reference === null) {
    const observed = median(points.map(({ value }) => value));
    const sentence = `${name} is ${numberText(observed ?? 0)} ${unit}; there is no good history to compare it with`;
    return buildVerdict({ ...common, kind: 'inconclusive', observed, samples: points.length, sentence });
  }
  const design = tier === 'trend' ? TREND_DESIGN : designFor(metric, points, falseAlarmDays);
  // Rates and distances have no other unit.
  const fixedUnit = metric.kind === 'rate' || metric.kind === 'distribution';
  const params = valueChartParams(reference, badDirection, design, fixedUnit ? 'own' : 'foreign');
  const state = points.reduce((before, point) => stepValueChart(before, params, point), initialValueChart(params));
  const staleMs = metric.windowMs;
  const promised = tier === 'trend' ? null : falseAlarmDays;
  const about = { ...common, practicalMargin, falseAlarmDays: promised, nowMs, staleMs };
  const verdict = assessValueChart(state, params, about);
  // The charts remember a burst for long; what is over already is nothing to begin with.
  const over = verdict.kind === 'degraded' && outsideIsCalm(metric, points, reference);
  return over ? { ...verdict, kind: 'inconclusive' } : verdict;
}

/**
 * The design whose alarms, on both sides where both are bad, come once in so many days of points as they come now; where
 * that is fewer than the usual design's points, the usual one.
 */
function designFor({ badDirection }: OutsideMetric, points: readonly OutsidePoint[], days: number): ChartDesign {
  const gaps = points.slice(1).map(({ atMs }, index) => atMs - (points[index]?.atMs ?? atMs));
  const meanPoints = (days * DAY_MS) / Math.max(1, median(gaps) ?? DAY_MS);
  if (meanPoints <= USUAL_POINTS) return VALUE_CHART_DESIGN;
  return oneSidedDesign(badDirection === 'both' ? 2 * meanPoints : meanPoints);
}
