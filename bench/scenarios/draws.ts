import { normal, type Uniform } from '../calibration/random';

/** Below this mean the counts are drawn one gap at a time, above it by the normal approximation. */
const EXACT_MEAN = 30;

/** Successes of n trials. */
export function binomial(n: number, p: number, uniform: Uniform): number {
  if (n <= 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(n, 1 - p, uniform);
  if (n * p > EXACT_MEAN) {
    const drawn = Math.round(n * p + Math.sqrt(n * p * (1 - p)) * normal(uniform)());
    return Math.max(0, Math.min(n, drawn));
  }
  // Gaps between successes are geometric (Devroye 1986, X.4): exact, and as many draws as successes.
  const logFailure = Math.log1p(-p);
  let successes = 0;
  for (let at = Math.floor(Math.log(1 - uniform()) / logFailure); at < n; successes += 1)
    at += 1 + Math.floor(Math.log(1 - uniform()) / logFailure);
  return successes;
}

/** The mean that gives as few as `events` only once in twenty: the exact one-sided upper limit of a Poisson count. */
export function upperEvents(events: number): number {
  let low = events;
  let high = events + 10 + 5 * Math.sqrt(events);
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (poissonLowerTail(events, middle) > 0.05) low = middle;
    else high = middle;
  }
  return high;
}

function poissonLowerTail(events: number, mean: number): number {
  let logTerm = -mean;
  let sum = Math.exp(logTerm);
  for (let k = 1; k <= events; k += 1) {
    logTerm += Math.log(mean / k);
    sum += Math.exp(logTerm);
  }
  return sum;
}
