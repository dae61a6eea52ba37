const SQRT_2PI = 2.5066282746310002;

/** P(Z < z). Relative error below 1e-13 down to z = -37 (series inside ±3, Lentz's continued fraction outside). */
export function normalCdf(z: number): number {
  if (Number.isNaN(z)) return NaN;
  if (z > 3) return 1 - upperTail(z);
  if (z < -3) return upperTail(-z);
  // Marsaglia (2004), Journal of Statistical Software 11(4): all terms have one sign, no cancellation inside ±3.
  let term = z;
  let sum = z;
  for (let i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) {
    term *= (z * z) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-0.5 * z * z)) / SQRT_2PI;
}

/** P(Z > z), without the cancellation of `1 - normalCdf(z)`. */
export function normalSurvival(z: number): number {
  return normalCdf(-z);
}

/** z with P(Z < z) = p, for 0 < p < 1; ±Infinity at the ends. Relative error about 1e-13 (Acklam's start, then Halley). */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) return NaN;
  if (p === 0) return -Infinity;
  if (p === 1) return Infinity;
  if (p > 0.5) return -normalQuantile(1 - p);
  let z = acklamLowerHalf(p);
  for (let i = 0; i < 2; i += 1) {
    const error = ((normalCdf(z) - p) * SQRT_2PI) / Math.exp(-0.5 * z * z);
    z -= error / (1 + 0.5 * z * error);
  }
  return z;
}

/** Mills ratio as continued fraction 1/(z + 1/(z + 2/(z + 3/(z + …)))), for z ≥ 3. */
function upperTail(z: number): number {
  if (z > 38) return 0;
  let fraction = 0;
  for (let k = 120; k >= 1; k -= 1) fraction = k / (z + fraction);
  return Math.exp(-0.5 * z * z) / SQRT_2PI / (z + fraction);
}

/** P. J. Acklam's rational approximation, relative error 1.15e-9, for p ≤ .5. */
function acklamLowerHalf(p: number): number {
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    const top =
      ((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q +
        4.374664141464968) *
        q +
      2.938163982698783;
    const bottom =
      (((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1;
    return top / bottom;
  }
  const q = p - 0.5;
  const r = q * q;
  const top =
    (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
      2.506628277459239) *
    q;
  const bottom =
    ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
    1;
  return top / bottom;
}
