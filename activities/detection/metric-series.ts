import type { OutsideValue } from '../../domain/detection/outside-metric';
import type { CountsRow } from '../../gateway/protocol';
import type { SeriesPoint } from '../ports/metric-series';
import { tallyOf, type Tally } from './chart-specs';
import { LATENCY } from './latency-chart';

const BINS = 150;
const HITS = new Set(['accuracy']);

/** Evenly spaced bins over [fromMs, toMs), each a second or longer; a bin without a value is a gap. */
export function bins(fromMs: number, toMs: number): { readonly widthMs: number; readonly count: number } {
  const widthMs = Math.max(1_000, Math.ceil((toMs - fromMs) / BINS / 1_000) * 1_000);
  return { widthMs, count: Math.max(1, Math.ceil((toMs - fromMs) / widthMs)) };
}

/**
 * A metric as people saw it over time, from the rows of the live traffic whatever version answered: rates and recalls
 * as shares, latency as the mean of the rows' p95. Empty for a metric that the rows do not tell of (memory).
 */
export function seriesOfRows(metric: string, rows: readonly CountsRow[], fromMs: number, toMs: number): SeriesPoint[] {
  const { widthMs, count } = bins(fromMs, toMs);
  const sums = Array.from({ length: count }, () => ({ weight: 0, sum: 0 }));
  for (const row of rows) {
    const bin = row.cohort === 'live' ? sums[Math.floor((row.fromMs - fromMs) / widthMs)] : undefined;
    const share = bin && shareOf(metric, row);
    if (!bin || !share) continue;
    bin.weight += share.weight;
    bin.sum += share.sum;
  }
  if (sums.every(({ weight }) => weight <= 0)) return [];
  return sums.map(({ weight, sum }, index) => ({
    atMs: fromMs + (index + 0.5) * widthMs,
    value: weight > 0 ? sum / weight : null,
  }));
}

/** As {@link seriesOfRows}, from values of a metric from outside: the mean of a bin, weighted by samples. */
export function seriesOfValues(values: readonly OutsideValue[], fromMs: number, toMs: number): SeriesPoint[] {
  const { widthMs, count } = bins(fromMs, toMs);
  // A source that is slower than the bins leaves them empty: that is its pace, not a gap.
  if (values.length <= count) return values.map(({ atMs, value }) => ({ atMs, value }));
  const sums = Array.from({ length: count }, () => ({ weight: 0, sum: 0 }));
  for (const { atMs, value, n } of values) {
    const bin = sums[Math.floor((atMs - fromMs) / widthMs)];
    if (!bin) continue;
    bin.weight += n ?? 1;
    bin.sum += value * (n ?? 1);
  }
  return sums.map(({ weight, sum }, index) => ({
    atMs: fromMs + (index + 0.5) * widthMs,
    value: weight > 0 ? sum / weight : null,
  }));
}

function shareOf(metric: string, row: CountsRow): { weight: number; sum: number } | null {
  if (metric === LATENCY) {
    const { latency } = row;
    return latency && latency.count > 0 ? { weight: latency.count, sum: latency.p95Ms * latency.count } : null;
  }
  const classLabel = metric.startsWith('recall:') ? metric.slice('recall:'.length) : null;
  const tally: Tally | null = tallyOf({ name: metric, classLabel }, row);
  if (!tally) return null;
  const { trials, failures } = tally;
  const hits = classLabel !== null || HITS.has(metric);
  return { weight: trials, sum: hits ? trials - failures : failures };
}
