import { cellCounts, clusterCells } from './clusters';
import { distanceMatrix } from './distance-matrix';
import { histogramDivergence, type HistogramDivergence } from './divergence';
import { energyTest, limitWithEffect, type EnergyTestResult } from './energy-test';
import { binomialControlLimits, wilsonUpper } from './rate-limits';
import { median } from './robust';
import { percentText } from './verdict';

/** What is kept of one answer; its text is not. */
export interface SeenAnswer {
  readonly answer: ArrayLike<number>;
  /** The question, embedded the same way; null where there is none. */
  readonly input: ArrayLike<number> | null;
  readonly characters: number;
  readonly refusal: boolean;
  /** Empty, or not of the form that the service expects. */
  readonly illFormed: boolean;
  /** Ended by the limit of its length. Absent where the server says no reason, and in baselines of older releases. */
  readonly cutShort?: boolean;
}

export interface DriftLimits {
  /** Of every test on one window. */
  readonly alpha: number;
  readonly permutations: number;
  /** Of the histogram behind PSI and KL. */
  readonly cells: number;
  /** Smaller effects of the energy test never count (see `EnergyTestResult.effect`). */
  readonly practicalEffect: number;
  /** Refusals or ill-formed answers that rose by less never count. */
  readonly practicalRate: number;
  /** The median length must differ by this factor, up or down. */
  readonly practicalLength: number;
}

/**
 * Chosen on recorded updates of language models (rows `n50.effect` of `bench -- semantic`): the smallest of four updates has
 * an effect of .038 in the median, the others .25 to .6; two samples of one release 0 in the median, and now and then as
 * much as a small update. So the margin keeps small differences out, and level and two windows in a row keep chance out.
 */
export const DRIFT_LIMITS: DriftLimits = {
  alpha: 0.001,
  permutations: 1_999,
  cells: 5,
  practicalEffect: 0.02,
  practicalRate: 0.05,
  practicalLength: 1.25,
};

/** A difference of the questions is looked for more eagerly than one of the answers: it excuses, it never accuses. */
const INPUT_ALPHA = 0.01;

export type DriftMetric = 'semantic-drift' | 'answer-length' | 'refusal-rate' | 'ill-formed-rate' | 'cut-short-rate';

/** What one window says about one metric. */
export interface DriftFinding {
  readonly metric: DriftMetric;
  readonly beyond: boolean;
  readonly observed: number;
  readonly expected: number;
  readonly ucl: number | null;
  readonly lcl: number | null;
  readonly unit: string;
  readonly sentence: string;
}

export interface DriftFindings {
  readonly findings: readonly DriftFinding[];
  /** In words, when the questions differ as well: then a difference of the answers accuses nobody. Null when not. */
  readonly inputs: string | null;
}

/**
 * One window of answers against the frozen baseline of the same version: meaning and wording by energy distance, length,
 * refusals, form. Work in slices. Throws RangeError when one of both is empty or the embeddings do not fit together.
 */
export function* judgeAnswers(
  baseline: readonly SeenAnswer[],
  window: readonly SeenAnswer[],
  limits: DriftLimits,
  uniform: () => number,
): Generator<void, DriftFindings> {
  const meaning = yield* meaningFinding(baseline, window, limits, uniform);
  const length = yield* lengthFinding(baseline, window, limits, uniform);
  const rates = [
    rateFinding('refusal-rate', 'declined', baseline, window, limits, ({ refusal }) => refusal),
    rateFinding('ill-formed-rate', 'empty or ill-formed', baseline, window, limits, ({ illFormed }) => illFormed),
  ];
  const [then, now] = [baseline.filter(tellsItsEnd), window.filter(tellsItsEnd)];
  // Too few that tell it are no rate: a server may begin to, or stop.
  if (then.length >= baseline.length / 2 && now.length >= window.length / 2)
    rates.push(rateFinding('cut-short-rate', 'were cut short', then, now, limits, ({ cutShort }) => cutShort === true));
  const inputs = yield* inputsDiffer(baseline, window, limits, uniform);
  return { findings: [meaning, length, ...rates], inputs };
}

function* meaningFinding(
  baseline: readonly SeenAnswer[],
  window: readonly SeenAnswer[],
  limits: DriftLimits,
  uniform: () => number,
): Generator<void, DriftFinding> {
  const labels = labelsOf(baseline, window);
  const matrix = yield* distanceMatrix([...baseline, ...window].map(({ answer }) => answer));
  const test = yield* energyTest(matrix, labels, { ...limits, uniform });
  const counts = cellCounts(clusterCells(matrix, limits.cells, uniform), labels);
  yield;
  const divergence = histogramDivergence(counts.reference, counts.current, limits.alpha);
  const ucl = limitWithEffect(test, limits.practicalEffect);
  return {
    metric: 'semantic-drift',
    beyond: test.distance > ucl,
    observed: test.distance,
    expected: test.chance,
    ucl,
    lcl: null,
    unit: 'energy distance',
    sentence: `${testWords('answers', test, ucl)}; ${divergenceWords(divergence)}`,
  };
}

function* lengthFinding(
  baseline: readonly SeenAnswer[],
  window: readonly SeenAnswer[],
  limits: DriftLimits,
  uniform: () => number,
): Generator<void, DriftFinding> {
  const lengths = (answers: readonly SeenAnswer[]): number[] => answers.map(({ characters }) => characters);
  const [expected, observed] = [median(lengths(baseline)) ?? 0, median(lengths(window)) ?? 0];
  const matrix = yield* distanceMatrix(lengths([...baseline, ...window]).map((characters) => [Math.log1p(characters)]));
  const test = yield* energyTest(matrix, labelsOf(baseline, window), { ...limits, uniform });
  const [ucl, lcl] = [expected * limits.practicalLength, expected / limits.practicalLength];
  return {
    metric: 'answer-length',
    beyond: test.p <= limits.alpha && (observed > ucl || observed < lcl),
    observed,
    expected,
    ucl,
    lcl,
    unit: 'characters',
    sentence: `half of ${window.length} answers have more than ${Math.round(observed)} characters, in the baseline ${Math.round(expected)} (p ${pText(test.p)})`,
  };
}

function rateFinding(
  metric: DriftMetric,
  words: string,
  baseline: readonly SeenAnswer[],
  window: readonly SeenAnswer[],
  { alpha, practicalRate }: DriftLimits,
  counts: (answer: SeenAnswer) => boolean,
): DriftFinding {
  const [then, now] = [baseline.filter(counts).length, window.filter(counts).length];
  const { ucl } = binomialControlLimits(window.length, wilsonUpper(then, baseline.length, 0.9), practicalRate, alpha);
  const [expected, observed] = [then / baseline.length, now / window.length];
  return {
    metric,
    beyond: ucl !== null && observed > ucl,
    observed,
    expected,
    ucl,
    lcl: null,
    unit: 'ratio',
    sentence: `${now} of ${window.length} answers ${words} (${percentText(observed)}), in the baseline ${percentText(expected)}`,
  };
}

function tellsItsEnd({ cutShort }: SeenAnswer): boolean {
  return cutShort !== undefined;
}

function* inputsDiffer(
  baseline: readonly SeenAnswer[],
  window: readonly SeenAnswer[],
  limits: DriftLimits,
  uniform: () => number,
): Generator<void, string | null> {
  const inputs = (answers: readonly SeenAnswer[]): ArrayLike<number>[] =>
    answers.flatMap(({ input }) => (input === null ? [] : [input]));
  const [then, now] = [inputs(baseline), inputs(window)];
  if (then.length === 0 || now.length === 0) return null;
  const matrix = yield* distanceMatrix([...then, ...now]);
  const alpha = Math.max(INPUT_ALPHA, limits.alpha);
  const test = yield* energyTest(matrix, labelsOf(then, now), { ...limits, alpha, uniform });
  return test.p <= alpha ? testWords('questions', test, test.limit) : null;
}

function labelsOf(baseline: readonly unknown[], window: readonly unknown[]): number[] {
  return [...baseline.map(() => 0), ...window.map(() => 1)];
}

/** `energy distance of the answers .31 (limit .12, p .0005; 100 against 200 of the baseline)`. */
export function testWords(of: string, test: EnergyTestResult, limit: number): string {
  const { distance, p, baseline, current } = test;
  return `energy distance of the ${of} ${short(distance)} (limit ${short(limit)}, p ${pText(p)}; ${current} against ${baseline} of the baseline)`;
}

function divergenceWords({ psi, psiLimit, kl, klLimit }: HistogramDivergence): string {
  return `PSI ${short(psi)} (limit ${short(psiLimit)}), KL ${short(kl)} (limit ${short(klLimit)})`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function pText(p: number): string {
  return String(Number(p.toPrecision(2)));
}
