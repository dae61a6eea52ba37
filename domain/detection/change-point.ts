/** One measured point with its distance from the usual, in sigmas. */
export interface ScoredPoint {
  atMs: number;
  value: number;
  score: number;
}

/** Where a shift most likely began, with a 95 % interval, and what the series did since. Times in ms since epoch. */
export interface ChangePoint {
  onsetMs: number;
  onsetLowMs: number;
  onsetHighMs: number;
  points: number;
  mean: number;
}

/** One wild point must not outweigh a stretch. */
const CLIP_SIGMAS = 8;
/** Half the 95 % quantile of χ² with one degree of freedom. */
const LIKELIHOOD_DROP = 1.9207;

/**
 * The begin of a shift of unknown size in `direction` that lasts until the last point, from a mean of 0 and a sigma of
 * 1: it maximises the generalised likelihood ratio S² / 2n of the n points since (Siegmund and Venkatraman 1995). The
 * interval holds the begins whose log-likelihood is within 1.92 of the best. Null where nothing shifted that way.
 */
export function changePoint(points: readonly ScoredPoint[], direction: 1 | -1): ChangePoint | null {
  let scores = 0;
  let values = 0;
  const ratios: number[] = [];
  let best: { at: number; ratio: number; mean: number } | null = null;
  for (let at = points.length - 1; at >= 0; at -= 1) {
    const point = points[at];
    if (!point) break;
    const count = points.length - at;
    scores += direction * Math.max(-CLIP_SIGMAS, Math.min(CLIP_SIGMAS, point.score));
    values += point.value / points.length;
    const ratio = scores > 0 ? scores ** 2 / (2 * count) : 0;
    ratios[at] = ratio;
    if (ratio > (best?.ratio ?? 0)) best = { at, ratio, mean: (values * points.length) / count };
  }
  if (best === null) return null;
  const { at: onset, ratio: highest, mean } = best;
  const likely = points.filter((_, at) => (ratios[at] ?? 0) >= highest - LIKELIHOOD_DROP);
  const onsetMs = points[onset]?.atMs ?? 0;
  return {
    onsetMs,
    onsetLowMs: Math.min(onsetMs, likely[0]?.atMs ?? onsetMs),
    onsetHighMs: Math.max(onsetMs, likely.at(-1)?.atMs ?? onsetMs),
    points: points.length - onset,
    mean,
  };
}
