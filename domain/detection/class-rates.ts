import { benjaminiHochberg } from './benjamini-hochberg';
import {
  bernoulliParams,
  initialBernoulliState,
  stepBernoulli,
  type BernoulliOptions,
  type BernoulliParams,
  type BernoulliState,
} from './bernoulli-e-detector';
import { binomialUpperTail } from './binomial-distribution';
import { wilsonInterval, wilsonUpper } from './rate-limits';
import type { RateBaseline } from './types';

/** Chart state travels in heartbeats: more classes than this are not charted one by one. */
export const MAX_CLASSES = 24;

/** Labelled answers of one class: how many truly belong to it, and how many of those were answered right. */
export interface ClassCount {
  label: string;
  total: number;
  correct: number;
}

/** `selective`: whether an answer got a label depends on the answer; recall from such labels means nothing. */
export type LabelCoverage = 'complete' | 'random-sample' | 'selective';

export interface ClassAssessment {
  label: string;
  kind: 'ok' | 'degraded' | 'inconclusive' | 'unmeasured';
  total: number;
  recall: number | null;
  baselineRecall: number | null;
  /** 95 % Wilson interval of the recall in the window. */
  low: number | null;
  high: number | null;
  /** P(at least so many misses | the baseline's miss rate), adjusted over the classes (Benjamini–Hochberg). */
  adjustedP: number;
  /** The highest recall that would be `degraded` with so many answers and the other classes as they are; null: none. */
  limit: number | null;
}

export interface ClassWindowOptions {
  /** A class with fewer labelled answers is `inconclusive` (default 20). */
  minSupport?: number;
  /** A recall that fell by less never counts (.05 = five points). */
  practicalMargin: number;
  /** Share of false alarms among the named classes (default .01). */
  falseDiscoveryLevel?: number;
  coverage: LabelCoverage;
}

/**
 * Judges one window class by class. A class is degraded when its misses are too many for the upper limit of its own
 * history (exact binomial, Benjamini–Hochberg over all classes with support) *and* its recall fell by the margin.
 */
export function assessClassWindow(
  counts: readonly ClassCount[],
  baseline: ReadonlyMap<string, RateBaseline>,
  options: ClassWindowOptions,
): ClassAssessment[] {
  const minSupport = Math.max(1, options.minSupport ?? 20);
  const level = options.falseDiscoveryLevel ?? 0.01;
  const pValues = counts.map((count) => {
    const history = baseline.get(count.label);
    if (!isReadable(count) || count.total < minSupport || history === undefined || history.trials === 0) return NaN;
    return missesTail(history, count.total, count.total - count.correct);
  });
  const adjusted = adjustedByIndex(pValues, level);
  const limitOf = (index: number, total: number, history: RateBaseline): number | null =>
    recallLimit(total, history, options.practicalMargin, (misses) => {
      const others = pValues.map((p, at) => (at === index ? missesTail(history, total, misses) : p));
      return (adjustedByIndex(others, level).get(index) ?? 1) <= level;
    });
  return counts.map((count, index): ClassAssessment => {
    const history = baseline.get(count.label);
    const baselineRecall = history === undefined || history.trials === 0 ? null : 1 - history.failures / history.trials;
    const adjustedP = adjusted.get(index) ?? 1;
    if (options.coverage === 'selective' || !isReadable(count) || count.total === 0) {
      const nothing = { total: isReadable(count) ? count.total : 0, recall: null, low: null, high: null };
      return { label: count.label, kind: 'unmeasured', ...nothing, baselineRecall, adjustedP: 1, limit: null };
    }
    const recall = count.correct / count.total;
    const interval = wilsonInterval(count.correct, count.total);
    const measured = { label: count.label, total: count.total, recall, baselineRecall, ...interval, adjustedP };
    if (!adjusted.has(index) || history === undefined || baselineRecall === null)
      return { ...measured, kind: 'inconclusive', limit: null };
    const fell = baselineRecall - recall >= options.practicalMargin;
    const kind = fell && adjustedP <= level ? 'degraded' : 'ok';
    return { ...measured, kind, limit: limitOf(index, count.total, history) };
  });
}

function missesTail({ failures, trials }: RateBaseline, total: number, misses: number): number {
  return binomialUpperTail(misses, total, wilsonUpper(failures, trials, 0.9));
}

/** Classes that could not be tested (NaN) are no tests: they must not dilute the others. */
function adjustedByIndex(pValues: readonly number[], level: number): Map<number, number> {
  const tested = pValues.map((p, index) => ({ p, index })).filter(({ p }) => !Number.isNaN(p));
  const procedure = benjaminiHochberg(
    tested.map(({ p }) => p),
    level,
  );
  return new Map(tested.map(({ index }, rank) => [index, procedure.adjusted[rank] ?? 1]));
}

/** The fewest misses that are both too many and a fall by the margin, by bisection: more of them are never less so. */
function recallLimit(
  total: number,
  history: RateBaseline,
  practicalMargin: number,
  tooMany: (misses: number) => boolean,
): number | null {
  const least = Math.ceil((history.failures / history.trials + practicalMargin) * total - 1e-9);
  if (least > total || !tooMany(total)) return null;
  let [low, high] = [Math.max(0, least), total];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (tooMany(middle)) high = middle;
    else low = middle + 1;
  }
  return 1 - low / total;
}

/** Labels of the degraded classes, the worst fall first. */
export function failingClasses(assessments: readonly ClassAssessment[]): string[] {
  const fall = (one: ClassAssessment): number => (one.baselineRecall ?? 0) - (one.recall ?? 0);
  return assessments
    .filter((one) => one.kind === 'degraded')
    .sort((left, right) => fall(right) - fall(left))
    .map((one) => one.label);
}

/** One e-detector per class on its miss rate, and one on all labelled answers together. */
export interface ClassRatesParams {
  classes: Record<string, BernoulliParams>;
  aggregate: BernoulliParams;
}

export interface ClassRatesState {
  classes: Record<string, BernoulliState>;
  aggregate: BernoulliState;
}

/** One row of labelled answers; `atMs` is its begin. */
export interface ClassRow {
  atMs: number;
  counts: readonly ClassCount[];
}

/**
 * Parameters from a history by class. The rate of observations of a class is its share of `observationsPerSecond`
 * (labelled answers of all classes). Throws RangeError above MAX_CLASSES.
 */
export function classRatesParams(
  baseline: ReadonlyMap<string, RateBaseline>,
  options: BernoulliOptions & { aggregateMargin?: number },
): ClassRatesParams {
  if (baseline.size > MAX_CLASSES) {
    throw new RangeError(`${baseline.size} classes cannot be charted one by one (at most ${MAX_CLASSES})`);
  }
  let trials = 0;
  let failures = 0;
  for (const history of baseline.values()) {
    trials += history.trials;
    failures += history.failures;
  }
  const classes: Record<string, BernoulliParams> = {};
  for (const [label, history] of baseline) {
    const share = trials > 0 ? history.trials / trials : 0;
    const observationsPerSecond = options.observationsPerSecond * share;
    classes[label] = bernoulliParams(history, { ...options, observationsPerSecond });
  }
  const aggregateOptions = { ...options, practicalMargin: options.aggregateMargin ?? options.practicalMargin };
  return { classes, aggregate: bernoulliParams({ trials, failures, words: 'all classes' }, aggregateOptions) };
}

export function initialClassRates(params: ClassRatesParams): ClassRatesState {
  const classes: Record<string, BernoulliState> = {};
  for (const [label, one] of Object.entries(params.classes)) classes[label] = initialBernoulliState(one);
  return { classes, aggregate: initialBernoulliState(params.aggregate) };
}

/** Folds one row. A class without a history has no chart; its answers still count in the aggregate. */
export function stepClassRates(state: ClassRatesState, params: ClassRatesParams, row: ClassRow): ClassRatesState {
  const classes = { ...state.classes };
  let trials = 0;
  let failures = 0;
  for (const count of row.counts) {
    if (!isReadable(count) || count.total === 0) continue;
    trials += count.total;
    failures += count.total - count.correct;
    const chart = params.classes[count.label];
    const before = classes[count.label];
    if (chart === undefined || before === undefined) continue;
    const classRow = { atMs: row.atMs, trials: count.total, failures: count.total - count.correct };
    classes[count.label] = stepBernoulli(before, chart, classRow);
  }
  if (trials === 0) return state;
  return { classes, aggregate: stepBernoulli(state.aggregate, params.aggregate, { atMs: row.atMs, trials, failures }) };
}

function isReadable(count: ClassCount): boolean {
  return (
    Number.isFinite(count.total) &&
    Number.isFinite(count.correct) &&
    count.correct >= 0 &&
    count.total >= 0 &&
    count.correct <= count.total
  );
}
