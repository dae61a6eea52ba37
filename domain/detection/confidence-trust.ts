import { byBlock, type Calibration, type JudgedBins } from './confidence-calibration';
import { shareOf, partsOf, total, type ScoreHistogram } from './confidence-estimate';
import { histogramDivergence } from './divergence';
import { OUTSIDE_BIN, SCORE_BINS } from './score-bins';
import { percentText } from './verdict';

/** A doubt is looked for more eagerly than a fall: it excuses, it never accuses. Two-sided. */
const DOUBT_ALPHA = 0.01;
const DOUBT_SIGMAS = 2.58;
/** One-sided 90 %: as far as the promise may be wrong without being seen. */
const CONFIRM_SIGMAS = 1.2816;
/** The share of a class may change by this factor, either way, before other inputs are the likelier reason. */
const SHARE_FACTOR = 1.5;
/** Classes of the mix that are told apart; the others are one cell. */
const MIX_CELLS = 12;

/** Labels since the calibration, against what the confidences of their answers promised. Sums over labels. */
export interface PromiseCheck {
  readonly labels: number;
  readonly right: number;
  /** Σ of the calibrated confidences of these answers, and the variance of `right − promised` if they are true. */
  readonly promised: number;
  readonly variance: number;
}

export const NO_LABELS: PromiseCheck = { labels: 0, right: 0, promised: 0, variance: 0 };

export function promiseOf(calibration: Calibration, judged: JudgedBins): PromiseCheck {
  const [labels, right] = [byBlock(calibration, judged.n), byBlock(calibration, judged.correct)];
  let [promised, variance] = [0, 0];
  labels.forEach((count, at) => {
    const block = calibration.blocks[at];
    if (!block) return;
    promised += count * block.right;
    variance += count * block.right * (1 - block.right) + count ** 2 * block.variance;
  });
  return { labels: total(labels), right: total(right), promised, variance };
}

export function bothPromises(left: PromiseCheck, right: PromiseCheck): PromiseCheck {
  return {
    labels: left.labels + right.labels,
    right: left.right + right.right,
    promised: left.promised + right.promised,
    variance: left.variance + right.variance,
  };
}

/** In words, where newer labels contradict the calibration by more than chance and more than half the margin. */
export function brokenPromise(check: PromiseCheck, margin: number): string | null {
  if (check.labels < 30) return null;
  const gap = (check.right - check.promised) / check.labels;
  const sigmas = (check.right - check.promised) / Math.sqrt(Math.max(1e-9, check.variance));
  if (Math.abs(sigmas) < DOUBT_SIGMAS || Math.abs(gap) < margin / 2) return null;
  return (
    `of ${check.labels} labelled answers since then ${percentText(check.right / check.labels)} were right, ` +
    `their confidences promised ${percentText(check.promised / check.labels)}`
  );
}

/** Whether labels show that the confidences promise too much by surely less than the margin. */
export function keptPromise(check: PromiseCheck, margin: number, minLabels: number): boolean {
  if (check.labels < minLabels) return false;
  const gap = (check.promised - check.right) / check.labels;
  return gap + (CONFIRM_SIGMAS * Math.sqrt(check.variance)) / check.labels < margin;
}

/** In words, where the scores are no confidences at all. */
export function notConfidences(scores: ScoreHistogram): string | null {
  const [all, outside] = [...scores.values()].reduce<[number, number]>(
    ([n, far], bins) => [n + total(bins), far + (bins[OUTSIDE_BIN] ?? 0)],
    [0, 0],
  );
  if (!(outside > 0.01 * all)) return null;
  return `${percentText(outside / all)} of the scores are not between 0 and 1: they are no confidences`;
}

/** In words, where the predicted classes are mixed otherwise than in the reference, beyond what chance explains. */
export function otherMix(reference: ScoreHistogram, window: ScoreHistogram): string | null {
  const sizes = [...reference].map(([label, bins]) => ({ label, n: total(bins) }));
  const named = sizes.sort((left, right) => right.n - left.n).slice(0, MIX_CELLS - 1);
  const cells = (of: ScoreHistogram): number[] => {
    const counts = named.map(({ label }) => total(of.get(label) ?? []));
    return [...counts, total([...of.values()].map(total)) - total(counts)];
  };
  const { psi, psiLimit } = histogramDivergence(cells(reference), cells(window), DOUBT_ALPHA);
  if (psi <= psiLimit) return null;
  return `the predicted classes are mixed otherwise than then (PSI ${short(psi)}, limit ${short(psiLimit)}): the inputs changed`;
}

/** In words, where the answers of one class became much more or much fewer: other inputs reach it, or other ones leave it. */
export function otherShare(label: string, reference: ScoreHistogram, window: ScoreHistogram): string | null {
  const of = (scores: ScoreHistogram): { n: number; all: number } => ({
    n: total(scores.get(label) ?? []),
    all: total([...scores.values()].map(total)),
  });
  const [then, now] = [of(reference), of(window)];
  if (!(then.all > 0) || !(now.all > 0)) return null;
  const [before, after] = [then.n / then.all, now.n / now.all];
  const pooled = (then.n + now.n) / (then.all + now.all);
  const sigma = Math.sqrt(pooled * (1 - pooled) * (1 / then.all + 1 / now.all));
  const moved = after > SHARE_FACTOR * before || after < before / SHARE_FACTOR;
  if (!moved || Math.abs(after - before) < DOUBT_SIGMAS * sigma) return null;
  return `its share of the answers went from ${percentText(before)} to ${percentText(after)}: other inputs reach it`;
}

/**
 * The other classes are the control: harder inputs lower their confidences too. In words, where their scores are
 * distributed otherwise, or where they fell by half as much as this class did.
 */
export function othersMoved(
  label: string,
  calibrations: ReadonlyMap<string, Calibration>,
  reference: ScoreHistogram,
  window: ScoreHistogram,
  fell: number,
): string | null {
  const others = (of: ScoreHistogram): ScoreHistogram => new Map([...of].filter(([name]) => name !== label));
  const [then, now] = [others(reference), others(window)];
  const { psi, psiLimit } = histogramDivergence(binsOf(then), binsOf(now), DOUBT_ALPHA);
  const moved = `PSI ${short(psi)}, limit ${short(psiLimit)}`;
  if (psi > psiLimit) return `the confidences of the other classes moved as well (${moved})`;
  const control = new Map([...calibrations].filter(([name]) => name !== label));
  const [before, after] = [shareOf(partsOf(control, then)), shareOf(partsOf(control, now))];
  // Without a control nothing tells a worse class from harder inputs.
  if (!before || !after) return 'no other class has confidences that could tell a worse class from harder inputs';
  if (before.value - after.value < fell / 2) return null;
  return `the confidences of the other classes fell as well (${percentText(before.value)} to ${percentText(after.value)})`;
}

function binsOf(scores: ScoreHistogram): number[] {
  return Array.from({ length: SCORE_BINS }, (_, bin) => total([...scores.values()].map((bins) => bins[bin] ?? 0)));
}

function short(value: number): string {
  return String(Number(value.toPrecision(2)));
}
