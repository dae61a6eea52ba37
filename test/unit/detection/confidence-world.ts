import { calibrate, type Calibration, type JudgedBins } from '../../../domain/detection/confidence-calibration';
import type { ConfidenceHistory } from '../../../domain/detection/confidence-assessment';
import { OUTSIDE_BIN, scoreBin, SCORE_BINS } from '../../../domain/detection/score-bins';
import { mulberry32 } from '../../support/mulberry32';

/** A predicted class: how often it is answered, and the share of its answers that are hard (right in `hardRight`). */
export interface WorldClass {
  readonly share: number;
  readonly hard: number;
  readonly easyRight: number;
  readonly hardRight: number;
}

export type World = Readonly<Record<string, WorldClass>>;

/** One class in twenty; all about 94 % right. */
export const usual: World = {
  ham: { share: 0.6, hard: 0.1, easyRight: 0.98, hardRight: 0.6 },
  spam: { share: 0.35, hard: 0.1, easyRight: 0.98, hardRight: 0.6 },
  bulk: { share: 0.05, hard: 0.1, easyRight: 0.98, hardRight: 0.6 },
};

export interface Drawn {
  readonly scores: Map<string, number[]>;
  readonly judged: Map<string, { n: number[]; correct: number[] }>;
  readonly confusions: Map<string, Map<string, number>>;
  right: number;
  byClass: Map<string, { n: number; right: number }>;
}

/**
 * Answers whose score is an overconfident, monotone distortion of the probability that they are right: only a
 * calibration knows what the scores are worth. `labelled`: the share that gets a label.
 */
export function draw(world: World, n: number, seed: number, labelled = 0): Drawn {
  const uniform = mulberry32(seed);
  const names = Object.keys(world);
  const drawn: Drawn = {
    scores: new Map(),
    judged: new Map(),
    confusions: new Map(),
    right: 0,
    byClass: new Map(),
  };
  const classes = names.map((name) => {
    const bins = new Array<number>(OUTSIDE_BIN + 1).fill(0);
    const tally = { n: 0, right: 0 };
    const cells = { n: new Array<number>(SCORE_BINS).fill(0), correct: new Array<number>(SCORE_BINS).fill(0) };
    const wrong = names.filter((one) => one !== name).map((truly) => ({ truly, n: 0 }));
    return { name, of: world[name] as WorldClass, bins, tally, cells, wrong };
  });
  for (let index = 0; index < n; index += 1) {
    let u = uniform();
    const drawnClass = classes.find(({ of }) => (u -= of.share) < 0) ?? classes[0];
    if (!drawnClass) break;
    const { of, bins, tally, cells, wrong } = drawnClass;
    const mean = uniform() < of.hard ? of.hardRight : of.easyRight;
    const right = Math.min(1, Math.max(0, mean + (uniform() - 0.5) * 2 * Math.min(mean, 1 - mean)));
    const bin = scoreBin(right ** 0.3);
    const isRight = uniform() < right;
    add(bins, bin);
    tally.n += 1;
    if (isRight) tally.right += 1;
    if (uniform() >= labelled) continue;
    add(cells.n, bin);
    if (isRight) add(cells.correct, bin);
    else (wrong[uniform() < 0.5 ? 0 : 1] ?? { n: 0 }).n += 1;
  }
  for (const { name, bins, tally, cells, wrong } of classes) {
    drawn.scores.set(name, bins);
    drawn.byClass.set(name, tally);
    drawn.right += tally.right;
    drawn.judged.set(name, cells);
    drawn.confusions.set(name, new Map(wrong.map(({ truly, n: count }) => [truly, count])));
  }
  return drawn;
}

function add(bins: number[], bin: number): void {
  bins[bin] = (bins[bin] ?? 0) + 1;
}

export function historyOf({ scores, judged, confusions }: Drawn, minLabels = 100): ConfidenceHistory {
  const calibrations = new Map<string, Calibration>();
  for (const [label, cells] of judged) {
    const calibration = calibrate(label, cells, minLabels);
    if (calibration) calibrations.set(label, calibration);
  }
  return { scores, calibrations, confusions };
}

/** Cells from pairs of bin, labels and right ones. */
export function judgedBins(...cells: readonly (readonly [bin: number, n: number, correct: number])[]): JudgedBins {
  const judged = {
    n: new Array<number>(SCORE_BINS).fill(0),
    correct: new Array<number>(SCORE_BINS).fill(0),
  };
  for (const [bin, n, correct] of cells) {
    judged.n[bin] = n;
    judged.correct[bin] = correct;
  }
  return judged;
}

/** Counts from pairs of bin and answers. */
export function scoreBins(...cells: readonly (readonly [bin: number, n: number])[]): number[] {
  const bins = new Array<number>(OUTSIDE_BIN + 1).fill(0);
  for (const [bin, n] of cells) bins[bin] = n;
  return bins;
}
