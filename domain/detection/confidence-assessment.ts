import { benjaminiHochberg } from './benjamini-hochberg';
import { byBlock, type Calibration } from './confidence-calibration';
import {
  estimateAccuracy,
  estimatePrecision,
  estimateRecall,
  total,
  type Confusions,
  type ScoreHistogram,
  type ShareEstimate,
} from './confidence-estimate';
import { otherMix, otherShare, othersMoved } from './confidence-trust';
import { lowerTailBound, tiltedTo, unlikelyMean, varianceOf, type Discrete } from './tilted-tail';

/** Classes of one service that are judged one by one: the most frequent ones. */
export const ESTIMATED_CLASSES_MAX = 12;
/** One-sided 90 %, as for every history of rates. */
const HISTORY_SIGMAS = 1.2816;

/** Scores and labels of good periods of one version. */
export interface ConfidenceHistory {
  readonly scores: ScoreHistogram;
  readonly calibrations: ReadonlyMap<string, Calibration>;
  readonly confusions: Confusions;
}

export interface ConfidenceOptions {
  /** A class with fewer answers in the window is `inconclusive`. */
  readonly minSamples: number;
  /** A precision that fell by less never counts. */
  readonly practicalMargin: number;
  /** Share of false alarms among the named classes, and of a false alarm at all. */
  readonly level: number;
  /** Why no confidence of this window can be trusted, in words; null where nothing speaks against it. */
  readonly doubt: string | null;
  /** The same of one class. */
  readonly doubtOf: (label: string) => string | null;
}

export interface EstimatedClass {
  readonly label: string;
  readonly kind: 'ok' | 'degraded' | 'inconclusive' | 'unmeasured';
  /** Why it is not decided; null where it is. */
  readonly why: string | null;
  readonly precision: ShareEstimate | null;
  /** The same estimate over the good periods. */
  readonly expected: ShareEstimate | null;
  /** The highest estimate that would be `degraded` with so many answers; null: none would. */
  readonly limit: number | null;
  /** Bound of P(an estimate this low | the good periods), adjusted over the classes (Benjamini–Hochberg). */
  readonly adjustedP: number;
  readonly recall: ShareEstimate | null;
  readonly expectedRecall: ShareEstimate | null;
}

export interface EstimatedWhole {
  readonly accuracy: ShareEstimate | null;
  readonly expected: ShareEstimate | null;
}

/**
 * Judges a window without labels, class by predicted class. A class is degraded when the mean of its calibrated
 * confidences is too low for the good periods (Chernoff bound, Benjamini–Hochberg over the classes with support),
 * *and* fell by the margin, *and* neither the mix of classes, nor its own share, nor the confidences of the other
 * classes changed. It accuses the confidences' own word: where the model is wrong and sure of it, nothing is seen.
 */
export function assessConfidences(
  history: ConfidenceHistory,
  window: ScoreHistogram,
  options: ConfidenceOptions,
): { classes: EstimatedClass[]; whole: EstimatedWhole } {
  const { calibrations, confusions, scores } = history;
  const doubt = options.doubt ?? otherMix(scores, window);
  const drafts = labelsOf(history).map((label) => draftOf(label, history, window, options));
  const tested = drafts.map(({ p }) => p).filter((p) => !Number.isNaN(p));
  const { adjusted } = benjaminiHochberg(tested, options.level);
  let next = 0;
  const classes = drafts.map((draft): EstimatedClass => {
    const adjustedP = Number.isNaN(draft.p) ? 1 : (adjusted[next++] ?? 1);
    const limit = limitOf(draft, tested, options);
    const recalls = {
      recall: estimateRecall(draft.label, calibrations, confusions, window),
      expectedRecall: estimateRecall(draft.label, calibrations, confusions, scores),
    };
    const { label, precision, expected } = draft;
    const measured = { label, precision, expected, limit, adjustedP, ...recalls };
    if (draft.why !== null) return { ...measured, kind: draft.kind, why: draft.why };
    const fell = (expected?.value ?? 0) - (precision?.value ?? 0);
    const low = fell >= options.practicalMargin && adjustedP <= options.level;
    const why =
      doubt ??
      options.doubtOf(label) ??
      (low ? (otherShare(label, scores, window) ?? othersMoved(label, calibrations, scores, window, fell)) : null);
    if (why !== null) return { ...measured, kind: 'inconclusive', why };
    return { ...measured, kind: low ? 'degraded' : 'ok', why: null };
  });
  const whole = { accuracy: estimateAccuracy(calibrations, window), expected: estimateAccuracy(calibrations, scores) };
  return { classes, whole };
}

interface Draft {
  readonly label: string;
  readonly kind: 'inconclusive' | 'unmeasured';
  readonly why: string | null;
  readonly precision: ShareEstimate | null;
  readonly expected: ShareEstimate | null;
  readonly null: Discrete | null;
  /** NaN where it could not be tested: that is no test, and must not dilute the others. */
  readonly p: number;
}

function draftOf(
  label: string,
  { calibrations, scores }: ConfidenceHistory,
  window: ScoreHistogram,
  { minSamples }: ConfidenceOptions,
): Draft {
  const nothing = { label, precision: null, expected: null, null: null, p: NaN };
  const calibration = calibrations.get(label);
  if (!calibration) {
    const why = 'its confidences are not calibrated: too few labelled answers of it in the good periods';
    return { ...nothing, kind: 'unmeasured', why };
  }
  const [before, now] = [scores.get(label) ?? [], window.get(label) ?? []];
  const [expected, precision] = [estimatePrecision(calibration, before), estimatePrecision(calibration, now)];
  if (!precision || !expected)
    return { ...nothing, expected, kind: 'unmeasured', why: 'no answers of it with a score' };
  const measured = { ...nothing, precision, expected };
  if (precision.n < minSamples || expected.n < minSamples) {
    const few = Math.min(precision.n, expected.n);
    return { ...measured, kind: 'inconclusive', why: `${few} answers of it are too few (${minSamples} needed)` };
  }
  const usual = nullOf(calibration, byBlock(calibration, before), byBlock(calibration, now));
  const p = lowerTailBound(usual, precision.n, precision.value);
  return { ...measured, kind: 'inconclusive', why: null, null: usual, p };
}

/**
 * What the confidences of the good periods look like at their worst: their distribution over the blocks, tilted so that
 * its mean is the lower 90 % limit of the estimate. The history's own noise and that of the calibration are in it.
 */
function nullOf(calibration: Calibration, before: readonly number[], now: readonly number[]): Discrete {
  const { blocks } = calibration;
  const [n, m] = [total(before), total(now)];
  // Half an answer in each block: what was never seen is rare, not impossible.
  const all = n + 0.5 * blocks.length;
  const usual = {
    values: blocks.map(({ right }) => right),
    weights: before.map((count) => (count + 0.5) / all),
  };
  const calibrated = blocks.reduce(
    (sum, { variance }, at) => sum + ((now[at] ?? 0) / m - (before[at] ?? 0) / n) ** 2 * variance,
    0,
  );
  const mean = usual.values.reduce((sum, value, at) => sum + value * (usual.weights[at] ?? 0), 0);
  return tiltedTo(usual, mean - HISTORY_SIGMAS * Math.sqrt(varianceOf(usual) / n + calibrated));
}

/** By Benjamini–Hochberg one more class is named at level × rank ÷ tests, where enough others are at or below it. */
function limitOf(
  draft: Draft,
  tested: readonly number[],
  { level, practicalMargin }: ConfidenceOptions,
): number | null {
  const { expected, precision, p } = draft;
  if (draft.null === null || expected === null || precision === null) return null;
  const tests = tested.length;
  let alpha = level / tests;
  for (let rank = 2; rank <= tests; rank += 1) {
    const others = tested.filter((other) => other <= (level * rank) / tests).length;
    if (others - (p <= (level * rank) / tests ? 1 : 0) >= rank - 1) alpha = (level * rank) / tests;
  }
  const unlikely = unlikelyMean(draft.null, precision.n, alpha);
  return unlikely === null ? null : Math.min(unlikely, expected.value - practicalMargin);
}

function labelsOf({ scores }: ConfidenceHistory): string[] {
  const sizes = [...scores].map(([label, bins]) => ({ label, n: total(bins) }));
  const byName = (left: { label: string }, right: { label: string }): number => (left.label < right.label ? -1 : 1);
  return sizes
    .sort((left, right) => right.n - left.n || byName(left, right))
    .slice(0, ESTIMATED_CLASSES_MAX)
    .sort(byName)
    .map(({ label }) => label);
}
