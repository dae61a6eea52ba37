import { lagOneCorrelation, median, scaledMad } from './robust';

/** What a history of a metric supports: centre and spread, how far limits must be widened, and how warm it is. */
export interface ChartLimits {
  center: number;
  /** One standard deviation, robust, with its floor; not yet widened. */
  spread: number;
  /** Scores (distance from the centre in spreads) beyond it count as this: one wild point is no alarm. */
  clipSigmas: number;
  /** Mean and standard deviation of the clipped scores of the history: 0 and 1 for a normal one, not for a skewed one. */
  scoreMean: number;
  scoreSd: number;
  /** Lag-1 correlation of the history. */
  rho: number;
  points: number;
  warmth: 'cold' | 'warming' | 'warm';
  /** Widening of the spread: short histories (uncertain limits) times autocorrelation. */
  widening: number;
}

export interface ChartLimitOptions {
  /** The spread is at least this: a metric that never moved must not alarm at its first move. */
  spreadFloor: number;
  /** Default 4. */
  clipSigmas?: number;
}

/** Below it nothing is concluded. With 30 points half of all series false-alarm within 140 points. */
export const MIN_HISTORY = 30;
/** From here limits are at most slightly inflated. */
export const WARM_HISTORY = 100;

/**
 * Limits from a bounded history of `ok` points (values that are not finite are left out). Median and MAD: up to half
 * of the history may be outliers. Below 300 points the spread is inflated by 1 + 2/√m: the error of an estimated
 * centre and spread shrinks with √m (table of estimated limits in docs/detection).
 */
export function chartLimits(history: readonly number[], options: ChartLimitOptions): ChartLimits {
  const values = history.filter((value) => Number.isFinite(value));
  const points = values.length;
  const center = median(values) ?? 0;
  // A metric that sits on one value most of the time has MAD 0 however wild the rest is.
  const spread = Math.max(options.spreadFloor, scaledMad(values) ?? 0, 1e-12 * Math.abs(center), Number.MIN_VALUE);
  const rho = lagOneCorrelation(values, center, spread);
  const warmth = points < MIN_HISTORY ? 'cold' : points < WARM_HISTORY ? 'warming' : 'warm';
  const inflation = points === 0 ? 2 : points < 300 ? 1 + 2 / Math.sqrt(points) : 1;
  const clipSigmas = options.clipSigmas ?? 4;
  return {
    center,
    spread,
    clipSigmas,
    ...clippedMoments(values, center, spread, clipSigmas),
    rho,
    points,
    warmth,
    widening: inflation * Math.sqrt((1 + rho) / (1 - rho)),
  };
}

/**
 * Median and MAD of a skewed metric (latency) are not its mean and deviation: a chart of sums needs both. Clipping
 * bounds what outliers in the history can do to them; the deviation only ever widens the limits.
 */
function clippedMoments(
  values: readonly number[],
  center: number,
  spread: number,
  clipSigmas: number,
): Pick<ChartLimits, 'scoreMean' | 'scoreSd'> {
  if (values.length < 2) return { scoreMean: 0, scoreSd: 1 };
  const scores = values.map((value) => clip((value - center) / spread, clipSigmas));
  const scoreMean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const variance = scores.reduce((sum, score) => sum + (score - scoreMean) ** 2, 0) / (scores.length - 1);
  return { scoreMean, scoreSd: Math.max(1, Math.sqrt(variance)) };
}

/** Limits a score to ± sigmas. */
export function clip(score: number, sigmas: number): number {
  return Math.max(-sigmas, Math.min(sigmas, score));
}
