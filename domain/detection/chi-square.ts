import { lnGamma } from './binomial-distribution';

/** P(X > x) for a chi-square with `degrees` of freedom; relative error about 1e-12. */
export function chiSquareSurvival(x: number, degrees: number): number {
  if (!(x > 0)) return 1;
  const a = degrees / 2;
  const half = x / 2;
  const front = Math.exp(a * Math.log(half) - half - lnGamma(a));
  return half < a + 1 ? 1 - front * lowerSeries(a, half) : front * upperFraction(a, half);
}

/** The x with P(X ≤ x) = p, by bisection: limits are made rarely, and the survival function never rises. */
export function chiSquareQuantile(p: number, degrees: number): number {
  let [low, high] = [0, 1];
  while (chiSquareSurvival(high, degrees) > 1 - p) high *= 2;
  for (let halvings = 0; halvings < 100; halvings += 1) {
    const middle = (low + high) / 2;
    if (chiSquareSurvival(middle, degrees) > 1 - p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** γ(a, x) ÷ (e^−x x^a) (Abramowitz & Stegun 6.5.29). */
function lowerSeries(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let n = 1; n < 10_000 && term > sum * 1e-17; n += 1) {
    term *= x / (a + n);
    sum += term;
  }
  return sum;
}

/** Γ(a, x) ÷ (e^−x x^a) as a continued fraction (A. & S. 6.5.31), evaluated by Lentz's method. */
function upperFraction(a: number, x: number): number {
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / (b === 0 ? tiny : b);
  let value = d;
  for (let n = 1; n < 10_000; n += 1) {
    const numerator = n * (a - n);
    b += 2;
    d = 1 / (numerator * d + b || tiny);
    c = b + numerator / c || tiny;
    value *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return value;
}
