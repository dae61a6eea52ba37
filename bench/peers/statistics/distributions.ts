import { lnGamma, regularisedBeta } from '../../../domain/detection/binomial-distribution';

/** P(χ² > x) with `freedom` degrees: the upper incomplete gamma function. */
export function chiSquaredTail(x: number, freedom: number): number {
  return upperGamma(freedom / 2, x / 2);
}

/** P(|T| > |t|) with `freedom` degrees. */
export function studentTwoSided(t: number, freedom: number): number {
  return regularisedBeta(freedom / (freedom + t * t), freedom / 2, 0.5);
}

/** Exact confidence limits of a rate (Clopper & Pearson 1934). */
export function clopperPearson(failures: number, trials: number, confidence = 0.95): [low: number, high: number] {
  const tail = (1 - confidence) / 2;
  const low = failures === 0 ? 0 : betaQuantile(tail, failures, trials - failures + 1);
  const high = failures === trials ? 1 : betaQuantile(1 - tail, failures + 1, trials - failures);
  return [low, high];
}

function betaQuantile(p: number, a: number, b: number): number {
  let low = 0;
  let high = 1;
  for (let i = 0; i < 200 && high - low > 1e-16; i += 1) {
    const middle = (low + high) / 2;
    if (regularisedBeta(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Q(a, x): power series below a + 1, Lentz's continued fraction above (Numerical Recipes, section 6.2). */
function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const front = Math.exp(a * Math.log(x) - x - lnGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n += 1) {
      term *= x / (a + n);
      sum += term;
    }
    return 1 - front * sum;
  }
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n <= 10_000; n += 1) {
    b += 2;
    const numerator = -n * (n - a);
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return front * fraction;
}
