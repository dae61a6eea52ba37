/** A distribution on few values: `weights` sum to 1. */
export interface Discrete {
  readonly values: readonly number[];
  readonly weights: readonly number[];
}

const BISECTIONS = 44;
/** Beyond it only the lowest value has weight, for values that differ by .001 or more. */
const THETA_MIN = -40_000;

export function meanOf({ values, weights }: Discrete): number {
  return values.reduce((sum, value, index) => sum + value * (weights[index] ?? 0), 0);
}

export function varianceOf(of: Discrete): number {
  const mean = meanOf(of);
  return of.values.reduce((sum, value, index) => sum + (value - mean) ** 2 * (of.weights[index] ?? 0), 0);
}

/**
 * Upper bound of P(mean of n independent draws ≤ x): exp(−n I(x)) with I the Legendre transform of the cumulant function
 * (Chernoff 1952; Dembo & Zeitouni, *Large Deviations*, 2.2). It holds for every n, however skewed the values are, where
 * a normal approximation of the far tail does not. 1 where x is not below the mean.
 */
export function lowerTailBound(of: Discrete, n: number, x: number): number {
  if (!(x < meanOf(of))) return 1;
  const lowest = Math.min(...of.values.filter((_, index) => (of.weights[index] ?? 0) > 0));
  if (x < lowest) return 0;
  const theta = thetaOf(of, (tilted) => tilted.mean <= x);
  return Math.min(1, Math.exp(-n * (theta * x - tilt(of, theta).cumulant)));
}

/** The highest x whose bound is at most `alpha`: how low the mean must be to be unlikely. Null: no mean is. */
export function unlikelyMean(of: Discrete, n: number, alpha: number): number | null {
  const wanted = -Math.log(alpha) / n;
  const rate = ({ theta, mean, cumulant }: Tilted): number => theta * mean - cumulant;
  const lowest = tilt(of, THETA_MIN);
  if (!(rate(lowest) >= wanted)) return null;
  return tilt(
    of,
    thetaOf(of, (tilted) => rate(tilted) >= wanted),
  ).mean;
}

/** The same values with exponentially tilted weights, so that their mean is `mean` (where that is lower and possible). */
export function tiltedTo(of: Discrete, mean: number): Discrete {
  if (!(mean < meanOf(of))) return of;
  const theta = thetaOf(of, (tilted) => tilted.mean <= mean);
  const { cumulant } = tilt(of, theta);
  const weights = of.values.map((value, index) => (of.weights[index] ?? 0) * Math.exp(theta * value - cumulant));
  return { values: of.values, weights };
}

interface Tilted {
  readonly theta: number;
  readonly mean: number;
  /** ln E exp(θ v). */
  readonly cumulant: number;
}

/** Loops without arrays: a limit takes some fifty of these. */
function tilt({ values, weights }: Discrete, theta: number): Tilted {
  // θ ≤ 0: against the lowest value no exponent is above 0.
  let lowest = Infinity;
  for (let index = 0; index < values.length; index += 1)
    if ((weights[index] as number) > 0) lowest = Math.min(lowest, values[index] as number);
  let [sum, first] = [0, 0];
  for (let index = 0; index < values.length; index += 1) {
    const weight = weights[index] as number;
    if (!(weight > 0)) continue;
    const term = weight * Math.exp(theta * ((values[index] as number) - lowest));
    sum += term;
    first += term * (values[index] as number);
  }
  return { theta, mean: first / sum, cumulant: theta * lowest + Math.log(sum) };
}

/** The θ ≤ 0 nearest to 0 that is low enough: mean and rate are monotone in it. */
function thetaOf(of: Discrete, enough: (tilted: Tilted) => boolean): number {
  let [low, high] = [-1, 0];
  while (low > THETA_MIN && !enough(tilt(of, low))) [low, high] = [2 * low, low];
  for (let step = 0; step < BISECTIONS; step += 1) {
    const middle = (low + high) / 2;
    if (enough(tilt(of, middle))) low = middle;
    else high = middle;
  }
  return low;
}
