import { normalCdf, normalQuantile } from './normal-distribution';
import { lagOneCorrelation } from './robust';

/**
 * What a history of one metric says about a new value: how far out it would have been among its own. Scores are normal
 * scores of ranks, so a chart of them has the same false alarms for a normal, a skewed and a heavy-tailed metric.
 * JSON-serialisable, about 200 bytes.
 */
export interface ScoreReference {
  /** The history's quantiles at the normal scores −reach … reach, in equal steps; never falling. */
  knots: readonly number[];
  /** The outermost score: a value beyond the last knot counts as this, however wild. */
  reach: number;
  /** Mean and standard deviation of the history's own scores: 0 and 1, unless it has ties or the floor is in force. */
  scoreMean: number;
  scoreSd: number;
  /** Lag-1 correlation of the scores. */
  rho: number;
  points: number;
  warmth: 'cold' | 'warming' | 'warm';
}

/** Below it nothing is concluded. */
export const MIN_HISTORY = 30;
/** From here the limits pay little for being estimates. */
export const WARM_HISTORY = 100;

const KNOTS = 21;
const REACH = 2.5;

/**
 * The reference of a bounded history of `ok` points in the order of their time (values that are not finite are left out).
 * `spreadFloor` is the smallest standard deviation that is believed: a metric that never moved must not alarm at its
 * first move.
 */
export function scoreReference(history: readonly number[], spreadFloor: number): ScoreReference {
  const values = history.filter((value) => Number.isFinite(value));
  const points = values.length;
  const sorted = Float64Array.from(values).sort();
  const center = quantileAt(sorted, 0.5);
  const floor = Math.max(spreadFloor, 1e-12 * Math.abs(center), Number.MIN_VALUE);
  // Ranks of m values say nothing beyond m/(m+1).
  const reach = points < 2 ? 1 : Math.min(REACH, normalQuantile(points / (points + 1)));
  const knots = Array.from({ length: KNOTS }, (_, index) => {
    const score = scoreAtKnot(index, reach);
    const distance = quantileAt(sorted, normalCdf(score)) - center;
    return center + Math.sign(score) * Math.max(Math.abs(distance), floor * Math.abs(score));
  });
  const warmth = points < MIN_HISTORY ? 'cold' : points < WARM_HISTORY ? 'warming' : 'warm';
  const plain = { knots, reach, scoreMean: 0, scoreSd: 1, rho: 0, points, warmth } as const;
  if (points < 2) return plain;
  const scores = values.map((value) => scoreOf(plain, value));
  const scoreMean = scores.reduce((sum, score) => sum + score, 0) / points;
  const variance = scores.reduce((sum, score) => sum + (score - scoreMean) ** 2, 0) / (points - 1);
  // The deviation only ever widens: of a metric that hardly ever moves, one move must not be an alarm.
  const scoreSd = Math.max(1, Math.sqrt(variance));
  return { ...plain, scoreMean, scoreSd, rho: unbiasedRho(lagOneCorrelation(scores, scoreMean, scoreSd), points) };
}

/** Normal score of a value among the history, linear between the knots; the middle of several equal knots. */
export function scoreOf(reference: ScoreReference, value: number): number {
  const { knots, reach, scoreMean, scoreSd } = reference;
  let below = -1;
  let high = knots.length;
  // Last knot below the value …
  while (high - below > 1) {
    const middle = (below + high) >> 1;
    if ((knots[middle] ?? NaN) < value) below = middle;
    else high = middle;
  }
  // … and the last one that is not above it.
  let upTo = below;
  while ((knots[upTo + 1] ?? Infinity) <= value) upTo += 1;
  const position = upTo > below ? (below + 1 + upTo) / 2 : between(knots, below, value);
  return (scoreAtKnot(position, reach) - scoreMean) / scoreSd;
}

/** Median of the history. */
export function centerOf({ knots }: ScoreReference): number {
  return knots[(KNOTS - 1) / 2] ?? NaN;
}

/** The same shape around another centre. */
export function recentred(reference: ScoreReference, center: number): ScoreReference {
  const shift = center - centerOf(reference);
  return { ...reference, knots: reference.knots.map((knot) => knot + shift) };
}

/** Seven digits, about 300 bytes: a baseline travels with every assessment. */
export function shortened(reference: ScoreReference): ScoreReference {
  const short = (value: number): number => Number(value.toPrecision(7));
  const { knots, reach, scoreMean, scoreSd, rho } = reference;
  return {
    ...reference,
    knots: knots.map(short),
    reach: short(reach),
    scoreMean: short(scoreMean),
    scoreSd: short(scoreSd),
    rho: short(rho),
  };
}

function between(knots: readonly number[], below: number, value: number): number {
  const left = knots[below];
  const right = knots[below + 1];
  if (left === undefined) return 0;
  if (right === undefined) return KNOTS - 1;
  return below + (value - left) / (right - left);
}

function scoreAtKnot(position: number, reach: number): number {
  return reach * ((2 * position) / (KNOTS - 1) - 1);
}

/** Quantile whose plotting position is i/(m+1): the next value is below the i-th of m with just that probability. */
function quantileAt(sorted: Float64Array, p: number): number {
  const position = Math.max(0, Math.min(sorted.length - 1, p * (sorted.length + 1) - 1));
  const low = Math.floor(position);
  const lower = sorted[low] ?? 0;
  return lower + ((sorted[low + 1] ?? lower) - lower) * (position - low);
}

/** An estimate from m points is too small by about (1 + 4ρ)/m (Marriott & Pope 1954; Kendall 1954). */
function unbiasedRho(rho: number, points: number): number {
  return rho === 0 ? 0 : Math.min(0.95, rho + (1 + 4 * rho) / points);
}
