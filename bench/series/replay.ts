import { initialHabituation, stepHabituation } from '../../domain/detection/habituation';
import {
  initialSeriesChart,
  seriesEvidence,
  stepSeriesChart,
  type SeriesChartParams,
} from '../../domain/detection/series-chart';
import { assessSeriesChart } from '../../domain/detection/series-verdict';
import { probationLength } from './nab-scoring';
import type { Recording } from './recordings';

/** Nothing is known of a recording but its values: no unit, no direction, no size that matters. */
export const UNKNOWN_SERIES: SeriesChartParams = { unit: '', harmful: 'either', practicalMargin: 0 };

/** What the shipped chart made of a recording. */
export interface Replayed {
  /** Of each point; 0 where nothing was measured. */
  readonly novelty: number[];
  /** Of each point; 0 where nothing was measured or the chart is not warm. */
  readonly excess: number[];
  /** Ascending indices at which the verdict was `degraded`: what a rollback would be decided on. */
  readonly degraded: number[];
  readonly stateBytes: number;
}

/** Folds a recording point by point, each judged before the next is read. */
export function replay({ times, values }: Recording): Replayed {
  let state = initialSeriesChart();
  const novelty: number[] = [];
  const excess: number[] = [];
  const degraded: number[] = [];
  times.forEach((atMs, index) => {
    const before = state.points;
    state = stepSeriesChart(state, UNKNOWN_SERIES, { atMs, value: values[index] ?? NaN });
    // A point that was not taken up says nothing; the last score is not its own.
    const taken = state.points > before;
    const evidence = seriesEvidence(state, UNKNOWN_SERIES);
    novelty.push(taken ? state.novelty : 0);
    excess.push(taken && evidence.warm ? evidence.excess : 0);
    if (!taken || !evidence.sustained) return;
    const options = { metric: 'series', tier: 'short-window', baseline: '', nowMs: atMs, staleMs: 1 } as const;
    if (assessSeriesChart(state, UNKNOWN_SERIES, options).kind === 'degraded') degraded.push(index);
  });
  return { novelty, excess, degraded, stateBytes: JSON.stringify(state).length };
}

/** Indices at which novelty scores raise news at a limit. */
export function newsAt(novelty: readonly number[], limit: number): number[] {
  let state = initialHabituation();
  return novelty.flatMap((score, index) => {
    state = stepHabituation(state, limit, score);
    return state.sinceAlarm === 0 ? [index] : [];
  });
}

/** Indices at which a score reaches a threshold. */
export function beyond(scores: readonly number[], threshold: number): number[] {
  return scores.flatMap((score, index) => (score >= threshold ? [index] : []));
}

/** The last measured value where there is none; peers know no gaps. */
export function forwardFilled(values: readonly number[]): number[] {
  let last = values.find((value) => Number.isFinite(value)) ?? 0;
  return values.map((value) => (Number.isFinite(value) ? (last = value) : last));
}

/** Days of a recording that are judged: those after probation. */
export function judgedDays({ times }: Recording): number {
  const begin = times[probationLength(times.length)];
  const end = times.at(-1);
  return begin === undefined || end === undefined ? 0 : (end - begin) / 86_400_000;
}

/** `count` thresholds between two, in equal ratios. */
export function thresholds(low: number, high: number, count: number): number[] {
  return Array.from({ length: count }, (_, step) => low * (high / low) ** (step / (count - 1)));
}

/**
 * For each file the scores at the threshold that is chosen on all the others: the middle of the best stretch, for the
 * best single one is luck. `sweep[threshold][file]`; `quality` of many files, higher is better.
 */
export function leaveOneOut<Score>(
  sweep: readonly (readonly Score[])[],
  quality: (of: readonly Score[]) => number,
): Score[] {
  return (sweep[0] ?? []).flatMap((_, out) => {
    const others = sweep.map((scores) => quality(scores.filter((__, at) => at !== out)));
    const smooth = others.map((__, at) => meanAround(others, at));
    return sweep[smooth.indexOf(Math.max(...smooth))]?.[out] ?? [];
  });
}

/** Over seven neighbours; −∞ at the ends, where there are fewer. */
function meanAround(values: readonly number[], at: number): number {
  const around = values.slice(Math.max(0, at - 3), at + 4);
  return around.length < 7 ? -Infinity : around.reduce((sum, value) => sum + value, 0) / 7;
}
