/** Weights of NAB's application profiles (Lavin and Ahmad 2015). */
export interface NabProfile {
  readonly tp: number;
  readonly fn: number;
  readonly fp: number;
}

export const NAB_PROFILES = {
  standard: { tp: 1, fn: 1, fp: 0.11 },
  low_fp: { tp: 1, fn: 1, fp: 0.22 },
  low_fn: { tp: 1, fn: 2, fp: 0.11 },
} as const satisfies Record<string, NabProfile>;

export type NabProfileName = keyof typeof NAB_PROFILES;

/** First and last index of a labelled window. */
export type NabWindow = readonly [number, number];

/** What one file adds to a corpus' score. */
export interface NabFileScore {
  readonly score: number;
  readonly nullScore: number;
  readonly perfectScore: number;
  /** Records above the threshold outside all windows, after probation. */
  readonly falsePositives: number;
  readonly windowsHit: number;
}

/** Records at the begin of a file that are not judged. */
export function probationLength(records: number): number {
  return Math.min(Math.floor(0.15 * records), 750);
}

/** NAB's scaled sigmoid: −1 … 1, positive before the end of a window (position < 0), −1 beyond three widths. */
export function positionScore(position: number): number {
  return position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1;
}

/**
 * NAB's score of one file for the records that a detector raised (ascending indices). Of a window only the best
 * detection counts; outside every record counts.
 */
export function scoreFile(
  alarms: readonly number[],
  records: number,
  windows: readonly NabWindow[],
  profile: NabProfile,
): NabFileScore {
  const probation = probationLength(records);
  const sorted = [...windows].sort((left, right) => left[0] - right[0]);
  const best = new Map<NabWindow, number>();
  let score = 0;
  let falsePositives = 0;
  for (const index of alarms) {
    if (index < probation) continue;
    const inside = sorted.find(([begin, end]) => index >= begin && index <= end);
    if (inside) {
      const position = -(inside[1] - index + 1) / (inside[1] - inside[0] + 1);
      const value = (profile.tp * positionScore(position)) / positionScore(-1);
      best.set(inside, Math.max(best.get(inside) ?? -Infinity, value));
    } else {
      falsePositives += 1;
      score += profile.fp * falsePositiveScore(index, sorted);
    }
  }
  // A window that probation hides entirely can be neither hit nor missed.
  const scorable = sorted.filter(([, end]) => end >= probation);
  for (const window of scorable) score += best.get(window) ?? -profile.fn;
  return {
    score,
    nullScore: -profile.fn * scorable.length,
    perfectScore: profile.tp * sorted.length,
    falsePositives,
    windowsHit: best.size,
  };
}

/** 0 for raising nothing, 100 for the first record of every window and nothing else. */
export function normalisedScore(files: readonly NabFileScore[]): number {
  const sum = (of: (file: NabFileScore) => number): number => files.reduce((total, file) => total + of(file), 0);
  const nothing = sum((file) => file.nullScore);
  const perfect = sum((file) => file.perfectScore);
  return (100 * (sum((file) => file.score) - nothing)) / (perfect - nothing);
}

function falsePositiveScore(index: number, sorted: readonly NabWindow[]): number {
  const previous = sorted.findLast(([, end]) => end < index);
  if (previous === undefined) return -1;
  const width = previous[1] - previous[0];
  return width > 0 ? positionScore((index - previous[1]) / width) : -1;
}
