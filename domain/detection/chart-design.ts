import type { ChartDesign } from './normal-chart';

/** Mean overshoot of a normal random walk (Siegmund 1985): a discrete chart acts like a continuous one with a limit so much further out. */
const OVERSHOOT = 0.583;
const LAMBDA = 0.1;
const K = 0.5;

/**
 * One-sided EWMA (λ .1) and CUSUM (k .5) whose alarms together come once in `meanPoints` independent N(0,1) points, each
 * chart once in twice as many. EWMA: first passage of an Ornstein–Uhlenbeck process, √(2π)·exp(L²/2) ÷ (θL) with
 * θ = −ln(1−λ); CUSUM: (exp(2kh) − 2kh − 1) ÷ 2k² (Siegmund 1985); both with the overshoot. The EWMA's is some 10 %
 * short near 1,000 points and better beyond, always on the safe side.
 */
export function oneSidedDesign(meanPoints: number): ChartDesign {
  const each = 2 * Math.max(50, meanPoints);
  return {
    ewmaLambda: LAMBDA,
    ewmaL: solved(ewmaRunLength, each),
    cusumK: K,
    cusumH: solved(cusumRunLength, each),
  };
}

export function ewmaRunLength(limit: number): number {
  const rate = -Math.log(1 - LAMBDA);
  const far = limit + OVERSHOOT * Math.sqrt(2 * rate);
  return (Math.sqrt(2 * Math.PI) * Math.exp((far * far) / 2)) / (rate * far);
}

export function cusumRunLength(limit: number): number {
  const far = 2 * K * (limit + 2 * OVERSHOOT);
  return (Math.exp(far) - far - 1) / (2 * K * K);
}

/** Both run lengths grow with the limit; 20 is beyond any number of points that a clock will see. */
function solved(runLength: (limit: number) => number, wanted: number): number {
  let low = 1;
  let high = 20;
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2;
    if (runLength(middle) < wanted) low = middle;
    else high = middle;
  }
  return Math.round(high * 1_000) / 1_000;
}
