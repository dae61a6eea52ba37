import {
  chartAlarms,
  chartOnset,
  ewmaLimit,
  initialNormalChart,
  stepNormalChart,
  TREND_DESIGN,
  widenedDesign,
} from './normal-chart';
import { withoutDailySeason } from './daily-season';
import { mannKendall, median, theilSenSlope } from './robust';
import { recentred, scoreOf, scoreReference } from './score-reference';
import type { HarmfulDirection, ValuePoint, Verdict } from './types';
import { buildVerdict, clockText, durationText, numberText, percentText } from './verdict';

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;

/** Hours that hold the baseline, and by default the fewest that say anything: no shorter time has seen a day. */
export const MIN_TREND_POINTS = 24;
/** Two weeks; the newest are kept, so that the pairwise statistics stay below 60,000 pairs. */
export const MAX_TREND_POINTS = 336;

/** The mean of one hour and the number of values (or requests) behind it. `atMs` is the begin of the hour. */
export interface HourlyMean {
  atMs: number;
  mean: number;
  count: number;
}

export interface TrendParams {
  /** Value that the evaluation report or the last human-validated period vouches for. */
  anchor: number;
  /** A distance from the anchor below this is never a degradation. */
  practicalMargin: number;
  harmful: HarmfulDirection;
  unit: string;
  /** Smallest spread of an hourly mean that is believed (default a tenth of the margin). */
  spreadFloor?: number;
  /** Hours that may hold a baseline (default the first 24 in the list): earlier `ok` hours of the same history. */
  baselineHours?: number;
  /** Fewer hours are `inconclusive` (default 24). */
  minPoints?: number;
  /** Hours with fewer values are left out (default 1). */
  minCount?: number;
}

export interface TrendVerdictOptions {
  metric: string;
  baseline: string;
  nowMs: number;
  staleMs: number;
}

/** Means by UTC hour, the running hour left out (an hour that has not ended is not comparable). Unmeasured values are skipped. */
export function hourlyMeans(points: readonly (ValuePoint & { count?: number })[], nowMs: number): HourlyMean[] {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const { atMs, value, count } of points) {
    const weight = count ?? 1;
    if (value === null || !Number.isFinite(value) || !Number.isFinite(atMs) || !(weight > 0)) continue;
    const hour = Math.floor(atMs / HOUR_MS) * HOUR_MS;
    if (hour + HOUR_MS > nowMs) continue;
    const entry = sums.get(hour) ?? { sum: 0, count: 0 };
    sums.set(hour, { sum: entry.sum + value * weight, count: entry.count + weight });
  }
  return [...sums]
    .sort(([left], [right]) => left - right)
    .map(([atMs, { sum, count }]) => ({ atMs, mean: sum / count, count }));
}

/**
 * The trend tier: a slow chart (EWMA .05/2.615 and CUSUM .25/8.01) on hourly means, centred on the *anchor* and not on
 * recent values, so that a slow decline cannot become the new normal; what the hours of the day repeat is removed first,
 * for the slope too. Degraded when the chart alarms and the level (the
 * median of the newest 12 hours) is beyond the anchor by the practical margin.
 */
export function assessTrend(hours: readonly HourlyMean[], params: TrendParams, options: TrendVerdictOptions): Verdict {
  const minCount = params.minCount ?? 1;
  const minPoints = params.minPoints ?? MIN_TREND_POINTS;
  const readable = hours.filter(({ mean, count }) => Number.isFinite(mean) && count >= minCount);
  const used = withoutDailySeason(readable.slice(-MAX_TREND_POINTS));
  const last = used[used.length - 1];
  const common = {
    tier: 'trend' as const,
    metric: options.metric,
    unit: params.unit,
    baseline: options.baseline,
    expected: params.anchor,
    ucl: params.harmful === 'up' ? params.anchor + params.practicalMargin : null,
    lcl: params.harmful === 'down' ? params.anchor - params.practicalMargin : null,
    samples: used.length,
  };
  const idle = { name: 'CUSUM (.25, 8.01)', value: 0, threshold: TREND_DESIGN.cusumH, falseAlarmDays: null };
  if (last === undefined || options.nowMs - last.atMs > options.staleMs + HOUR_MS) {
    const sentence = `${options.metric}: no hour with values`;
    return buildVerdict({ ...common, kind: 'unmeasured', statistic: idle, sentence });
  }
  if (used.length < minPoints) {
    const sentence = `${options.metric}: ${used.length} hours are too few for a trend (${minPoints} needed)`;
    return buildVerdict({ ...common, kind: 'inconclusive', statistic: idle, sentence });
  }

  const means = used.map((hour) => hour.mean);
  const slopePerDay = theilSenSlope(used.map((hour) => ({ x: hour.atMs / DAY_MS, y: hour.mean }))) ?? 0;
  const trend = mannKendall(params.harmful === 'up' ? means : means.map((mean) => -mean));
  const level = median(means.slice(-12)) ?? params.anchor;
  const chart = trendChart(used, params);
  const beyond = params.harmful === 'up' ? level - params.anchor : params.anchor - level;
  const show = (value: number): string => (params.unit === 'ratio' ? percentText(value) : numberText(value));
  const slopeText = `${slopePerDay >= 0 ? '+' : '−'}${show(Math.abs(slopePerDay))} a day`;
  const text = `${options.metric} is at ${show(level)} (${slopeText} over ${durationText(used.length * HOUR_MS)}, chance ${percentText(trend.pRising)}); the anchor is ${show(params.anchor)}`;
  const seen = { ...common, observed: level, sinceMs: used[0]?.atMs ?? null, statistic: chart.statistic };
  if (!chart.alarm) return buildVerdict({ ...seen, kind: 'ok', sentence: text });
  const margin = `the practical margin of ${show(params.practicalMargin)}`;
  if (beyond < params.practicalMargin) {
    return buildVerdict({ ...seen, kind: 'ok', sentence: `${text}; it moved, by less than ${margin}` });
  }
  const since = chart.onsetMs === null ? '' : ` since ${clockText(chart.onsetMs)}`;
  return buildVerdict({
    ...seen,
    kind: 'degraded',
    sinceMs: chart.onsetMs,
    onsetMs: chart.onsetMs,
    onsetLowMs: chart.onsetLowMs,
    onsetHighMs: last.atMs,
    sentence: `${text}; it moved by more than ${margin}${since}`,
  });
}

function trendChart(
  hours: readonly HourlyMean[],
  params: TrendParams,
): { alarm: boolean; onsetMs: number | null; onsetLowMs: number | null; statistic: Verdict['statistic'] } {
  const baseline = hours.slice(0, params.baselineHours ?? MIN_TREND_POINTS).map((hour) => hour.mean);
  const spreadFloor = params.spreadFloor ?? params.practicalMargin / 10;
  const measured = scoreReference(baseline, spreadFloor);
  // The anchor comes from outside this series: there is no centre to be estimated.
  const reference = { ...recentred(measured, params.anchor), scoreMean: 0 };
  const design = widenedDesign(TREND_DESIGN, reference);
  let state = initialNormalChart();
  for (const { atMs, mean } of hours) {
    const score = scoreOf(reference, mean);
    state = stepNormalChart(state, design, { atMs, value: mean, score: params.harmful === 'up' ? score : -score });
  }
  const alarms = chartAlarms(state, design);
  const { onsetMs, onsetLowMs } = chartOnset(state);
  const statistic = alarms.cusum
    ? { name: 'CUSUM (.25, 8.01)', value: state.cusum, threshold: design.cusumH, falseAlarmDays: null }
    : { name: 'EWMA (.05, 2.615)', value: state.ewma, threshold: ewmaLimit(design), falseAlarmDays: null };
  return { alarm: alarms.ewma || alarms.cusum, onsetMs, onsetLowMs, statistic };
}
