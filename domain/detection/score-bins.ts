/**
 * Inner edges of the bins in which scores from 0 to 1 are counted: bin i holds [edge i − 1, edge i). Narrow near 1, where
 * the scores of a good classifier crowd.
 */
const EDGES = [
  0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998,
  0.999,
] as const;

export const SCORE_BINS = EDGES.length + 1;
/** Of a score that is no share (below 0, above 1): it is counted, and never taken for a confidence. */
export const OUTSIDE_BIN = SCORE_BINS;

/** The bin of a finite score. From above: most scores are high, and this is done for each answer. */
export function scoreBin(score: number): number {
  if (!(score >= 0 && score <= 1)) return OUTSIDE_BIN;
  let bin = EDGES.length;
  while (bin > 0 && score < (EDGES[bin - 1] as number)) bin -= 1;
  return bin;
}

/** Lower edge of a bin, for people. */
export function scoreBinFrom(bin: number): number {
  return bin === 0 ? 0 : (EDGES[bin - 1] ?? 1);
}
