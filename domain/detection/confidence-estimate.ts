import { byBlock, type Calibration } from './confidence-calibration';

/** A share that was estimated from calibrated confidences; `se` is its standard error (sampling and calibration). */
export interface ShareEstimate {
  readonly value: number;
  readonly se: number;
  /** Answers behind it. */
  readonly n: number;
}

/** Scores of answers by predicted class: answers in each bin. */
export type ScoreHistogram = ReadonlyMap<string, readonly number[]>;

/** Predicted class → true class → wrong labelled answers. */
export type Confusions = ReadonlyMap<string, ReadonlyMap<string, number>>;

/**
 * Estimated precision of one predicted class: the mean of the calibrated confidences (CBPE). Its variance is that of the
 * mean over the answers, and that of each block's value by the share of answers in it. Null without answers.
 */
export function estimatePrecision(calibration: Calibration, bins: readonly number[]): ShareEstimate | null {
  return shareOf([{ calibration, counts: byBlock(calibration, bins) }]);
}

/** Estimated accuracy over the calibrated classes; null where they make up less than nine tenths of the answers. */
export function estimateAccuracy(
  calibrations: ReadonlyMap<string, Calibration>,
  scores: ScoreHistogram,
): ShareEstimate | null {
  const answers = total([...scores.values()].map(total));
  const parts = partsOf(calibrations, scores);
  const estimate = shareOf(parts);
  return estimate !== null && estimate.n >= 0.9 * answers ? estimate : null;
}

/**
 * Estimated recall of a true class: right answers of it, against those and the wrong answers of the other predicted
 * classes that are truly of it. One score does not say which class a wrong answer belongs to: it is *assumed* that the
 * wrong answers of a predicted class are confused as they were in the labelled history. Null without labels of confusion.
 */
export function estimateRecall(
  label: string,
  calibrations: ReadonlyMap<string, Calibration>,
  confusions: Confusions,
  scores: ScoreHistogram,
): ShareEstimate | null {
  const parts = partsOf(calibrations, scores).map((part) => ({ ...part, lost: lostShare(label, part, confusions) }));
  const own = parts.find(({ calibration }) => calibration.label === label);
  const answers = total(parts.map(({ counts }) => total(counts)));
  if (!own || !(answers > 0) || parts.every(({ lost }) => lost === 0)) return null;
  const sums = { right: 0, lost: 0 };
  for (const { calibration, counts, lost } of parts)
    counts.forEach((count, at) => {
      const right = calibration.blocks[at]?.right ?? 0;
      if (calibration.label === label) sums.right += count * right;
      else sums.lost += count * lost * (1 - right);
    });
  const all = sums.right + sums.lost;
  if (!(all > 0)) return null;
  const recall = sums.right / all;
  // Delta method: recall is where (1 − R) · right − R · lost sums to zero.
  let variance = 0;
  for (const { calibration, counts, lost } of parts)
    counts.forEach((count, at) => {
      const { right = 0, variance: ofBlock = 0 } = calibration.blocks[at] ?? {};
      const mine = calibration.label === label;
      const each = mine ? (1 - recall) * right : -recall * lost * (1 - right);
      const slope = mine ? 1 - recall : recall * lost;
      variance += count * each ** 2 + (count * slope) ** 2 * ofBlock;
    });
  return { value: recall, se: Math.sqrt(variance) / all, n: Math.round(all) };
}

interface Part {
  readonly calibration: Calibration;
  /** Answers in each block. */
  readonly counts: readonly number[];
}

export function partsOf(calibrations: ReadonlyMap<string, Calibration>, scores: ScoreHistogram): Part[] {
  return [...calibrations.values()].map((calibration) => ({
    calibration,
    counts: byBlock(calibration, scores.get(calibration.label) ?? []),
  }));
}

export function shareOf(parts: readonly Part[]): ShareEstimate | null {
  const n = total(parts.map(({ counts }) => total(counts)));
  if (!(n > 0)) return null;
  let [sum, squares, calibrated] = [0, 0, 0];
  for (const { calibration, counts } of parts)
    counts.forEach((count, at) => {
      const { right = 0, variance = 0 } = calibration.blocks[at] ?? {};
      sum += count * right;
      squares += count * right ** 2;
      calibrated += (count / n) ** 2 * variance;
    });
  const value = sum / n;
  return { value, se: Math.sqrt(Math.max(0, squares / n - value ** 2) / n + calibrated), n };
}

/** Share of the wrong answers of a predicted class that truly are of `label`. */
function lostShare(label: string, { calibration }: Part, confusions: Confusions): number {
  if (calibration.label === label) return 0;
  const trueClasses = confusions.get(calibration.label);
  const wrong = total([...(trueClasses?.values() ?? [])].map((count) => Math.max(0, count)));
  return wrong > 0 ? Math.max(0, trueClasses?.get(label) ?? 0) / wrong : 0;
}

export function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
