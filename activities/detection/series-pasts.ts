import { groupedPoints, type OutsidePoint } from '../../domain/detection/outside-metric';
import { foldSeries, seriesParams } from '../../domain/detection/series-metric';
import { initialSeriesChart, type SeriesChartState } from '../../domain/detection/series-chart';
import type { OutsideMetric } from '../../domain/policy';
import { inSlices } from '../answers/slices';
import type { OutsideMetrics } from '../ports';

/** The past that a series is judged by: three weeks and a day, as its season knows them, or the newest values. */
const PAST_MS = 22 * 86_400_000;
const VALUES_MAX = 5_000;
const FOLD_MS = 15_000;
/** Points that are kept beside a state: for the end of a verdict, and for whose they are. */
const RECENT_POINTS = 100;
/** Charts that are kept, at most 300 kB each; the one that was not asked for longest goes first. */
const KEPT_MAX = 60;

interface Kept {
  readonly state: SeriesChartState;
  readonly points: readonly OutsidePoint[];
  /** Everything before it is in the state; values from it on are not. */
  readonly cursorMs: number;
  /** When the values of the newest window before the cursor were of. */
  readonly times: readonly number[];
}

export interface SeriesPast {
  readonly state: SeriesChartState;
  /** The newest of the points that the state was folded from. */
  readonly points: readonly OutsidePoint[];
}

/**
 * Charts of series, each a fold of what is stored: kept in memory with a cursor, so that a look folds what is new, and
 * folded anew from the store where nothing is kept or a value came late. Losing them costs time, never evidence.
 */
export class SeriesPasts {
  private readonly kept = new Map<string, Kept>();

  constructor(private readonly outside: OutsideMetrics) {}

  /** The chart of all values before `now`. Rejects when the source cannot be asked, or it takes too long. */
  async upTo(service: string, metric: OutsideMetric, now: number): Promise<SeriesPast> {
    const key = JSON.stringify([service, metric]);
    // Taken out while it is advanced in place: whoever asks at the same time folds a chart of their own.
    const before = this.kept.get(key);
    this.kept.delete(key);
    const advanced =
      (before && (await this.advanced(service, metric, now, before))) ?? (await this.anew(service, metric, now));
    this.kept.set(key, advanced);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= KEPT_MAX) break;
      this.kept.delete(oldest);
    }
    return advanced;
  }

  /** Null where it does not go on from there: time went back, a value came late, or more came than is read at once. */
  private async advanced(service: string, metric: OutsideMetric, now: number, before: Kept): Promise<Kept | null> {
    const { cursorMs } = before;
    if (now < cursorMs) return null;
    const fromMs = cursorMs - metric.windowMs;
    const values = await this.outside.values(service, metric.metric, fromMs, now, VALUES_MAX);
    const known = before.times.filter((atMs) => atMs >= fromMs).length;
    if (values.length >= VALUES_MAX || values.filter(({ atMs }) => atMs < cursorMs).length !== known) return null;
    return await folded(metric, before, values.filter(({ atMs }) => atMs >= cursorMs)); // prettier-ignore
  }

  private async anew(service: string, metric: OutsideMetric, now: number): Promise<Kept> {
    const values = await this.outside.values(service, metric.metric, now - PAST_MS, now, VALUES_MAX);
    return await folded(metric, { state: initialSeriesChart(), points: [], cursorMs: 0, times: [] }, values);
  }
}

async function folded(
  metric: OutsideMetric,
  before: Kept,
  values: Awaited<ReturnType<OutsideMetrics['values']>>,
): Promise<Kept> {
  const { points, openMs, lastMs } = groupedPoints(values, metric.minSamples);
  const state = await inSlices(foldSeries(before.state, points, seriesParams(metric)), AbortSignal.timeout(FOLD_MS));
  // What does not fill a point yet is read again with what fills it.
  const cursorMs = openMs ?? (lastMs === null ? before.cursorMs : lastMs + 1);
  const times = [...before.times, ...values.map(({ atMs }) => atMs)].filter(
    (atMs) => atMs < cursorMs && atMs >= cursorMs - metric.windowMs,
  );
  return { state, points: [...before.points, ...points].slice(-RECENT_POINTS), cursorMs, times };
}
