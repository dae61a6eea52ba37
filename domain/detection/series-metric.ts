import type { OutsideMetric } from '../policy';
import type { OutsidePoint } from './outside-metric';
import { stepSeriesChart, type SeriesChartParams, type SeriesChartState } from './series-chart';
import { assessSeriesChart, seriesCondition, type SeriesCondition } from './series-verdict';
import type { Verdict } from './types';

/** Points that a verdict rests on (4 of 5): so many must be of the version that is judged. */
export const SERIES_RULE_POINTS = 5;
/** The newest points that decide whether a degradation is over. */
const CALM_POINTS = 5;
/** A value that is nearer to what was expected than this part of the way has come back. */
const CALM_SHARE = 0.5;
/** Points between two yields; one takes up to a tenth of a millisecond. */
const SLICE_POINTS = 5;

/** The chart for any series, as a metric from outside declares its harmful side and its margin. */
export function seriesParams({ badDirection, practicalMargin, unit }: OutsideMetric): SeriesChartParams {
  return { unit, harmful: badDirection === 'both' ? 'either' : badDirection, practicalMargin };
}

/** Folds points in the order of their time, in slices; the state is advanced in place. */
export function* foldSeries(
  before: SeriesChartState,
  points: readonly OutsidePoint[],
  params: SeriesChartParams,
): Generator<void, SeriesChartState> {
  let state = before;
  for (const [index, { atMs, value }] of points.entries()) {
    state = stepSeriesChart(state, params, { atMs, value });
    if (index % SLICE_POINTS === 0) yield;
  }
  return state;
}

export interface SeriesAssessment {
  readonly nowMs: number;
  /** Since when the version that is judged serves; the past before it is another version's, and still the series' past. */
  readonly routedAtMs: number;
  /** The newest points that the state was folded from. */
  readonly points: readonly OutsidePoint[];
}

export interface SeriesFinding {
  readonly verdict: Verdict;
  readonly condition: SeriesCondition;
}

/**
 * The verdict of a series' own past on a metric from outside. `degraded` needs the rule's five points under the version
 * that serves: what the version before did is not held against it.
 */
export function assessSeriesMetric(
  state: SeriesChartState,
  metric: OutsideMetric,
  { nowMs, points, routedAtMs }: SeriesAssessment,
): SeriesFinding {
  const about = {
    nowMs,
    staleMs: metric.windowMs,
    fixedUnit: metric.kind === 'rate' || metric.kind === 'distribution',
  };
  const condition = seriesCondition(state, about);
  const verdict = assessSeriesChart(state, seriesParams(metric), {
    ...about,
    metric: metric.metric,
    tier: metric.tier,
    baseline: `its own past, ${state.points} points`,
  });
  if (verdict.kind !== 'degraded') return { verdict, condition };
  const own = points.filter(({ atMs }) => atMs >= routedAtMs).length;
  if (own < SERIES_RULE_POINTS) {
    const sentence = `${verdict.sentence}; only ${own} of them are of this version, too few to judge it`;
    const noOnset = { onsetMs: null, onsetLowMs: null, onsetHighMs: null };
    return { verdict: { ...verdict, ...noOnset, kind: 'inconclusive', sentence }, condition };
  }
  const served = (atMs: number | null): number | null => (atMs === null ? null : Math.max(atMs, routedAtMs));
  const { onsetMs, onsetLowMs, onsetHighMs } = verdict;
  const onset = { onsetMs: served(onsetMs), onsetLowMs: served(onsetLowMs), onsetHighMs: served(onsetHighMs) };
  return { verdict: { ...verdict, ...onset }, condition };
}

/**
 * Whether a verdict of the series' own past is over: each of the newest five points since its onset has come back more than
 * half of the way to what was expected then. Not the chart's own word: its past has learnt the bad time since.
 */
export function seriesIsCalm({ expected, observed, onsetMs }: Verdict, points: readonly OutsidePoint[]): boolean {
  const newest = points.filter(({ atMs }) => atMs > (onsetMs ?? 0)).slice(-CALM_POINTS);
  if (expected === null || observed === null || newest.length < CALM_POINTS) return false;
  const gap = observed - expected;
  return newest.every(({ value }) => (value - expected) * Math.sign(gap) < CALM_SHARE * Math.abs(gap));
}

/** A verdict that the series' own past gave, and not a history of good periods. */
export function isSeriesVerdict({ statistic }: Verdict): boolean {
  return statistic.name === 'range excess';
}
