/** Design of a pair of charts; average run lengths for one N(0,1) point each, two-sided (one-sided: about twice). */
export interface ChartDesign {
  ewmaLambda: number;
  ewmaL: number;
  cusumK: number;
  cusumH: number;
}

/** EWMA ARL 500, CUSUM ARL 465; a shift of one sigma is seen after 10 points (Lucas & Saccucci 1990; Montgomery). */
export const SHORT_WINDOW_DESIGN: ChartDesign = { ewmaLambda: 0.1, ewmaL: 2.814, cusumK: 0.5, cusumH: 5 };

/** EWMA ARL 500, CUSUM ARL 370, tuned to half a sigma. */
export const TREND_DESIGN: ChartDesign = { ewmaLambda: 0.05, ewmaL: 2.615, cusumK: 0.25, cusumH: 8.01 };

/** A value and how far out it is in the direction of harm: standardised, positive when worse. */
export interface ScoredPoint {
  atMs: number;
  value: number;
  score: number;
}

/** JSON-serialisable, O(1). */
export interface NormalChartState {
  points: number;
  ewma: number;
  cusum: number;
  /** Mean and count of the raw values since the CUSUM last left zero: the onset's side of the change point. */
  sinceMs: number | null;
  sinceSum: number;
  sincePoints: number;
  /** When the CUSUM was last at zero before that: the earliest plausible onset. */
  zeroMs: number | null;
}

export function initialNormalChart(): NormalChartState {
  return { points: 0, ewma: 0, cusum: 0, sinceMs: null, sinceSum: 0, sincePoints: 0, zeroMs: null };
}

/** Folds one point. */
export function stepNormalChart(state: NormalChartState, design: ChartDesign, point: ScoredPoint): NormalChartState {
  const { atMs, value, score } = point;
  const points = state.points + 1;
  const ewma = state.ewma + design.ewmaLambda * (score - state.ewma);
  const cusum = Math.max(0, state.cusum + score - design.cusumK);
  if (cusum === 0) return { points, ewma, cusum, sinceMs: null, sinceSum: 0, sincePoints: 0, zeroMs: atMs };
  const begins = state.cusum === 0;
  return {
    points,
    ewma,
    cusum,
    sinceMs: begins ? atMs : state.sinceMs,
    sinceSum: (begins ? 0 : state.sinceSum) + value,
    sincePoints: (begins ? 0 : state.sincePoints) + 1,
    zeroMs: state.zeroMs,
  };
}

export function ewmaLimit({ ewmaLambda, ewmaL }: ChartDesign): number {
  return ewmaL * Math.sqrt(ewmaLambda / (2 - ewmaLambda));
}

export interface ChartAlarms {
  ewma: boolean;
  cusum: boolean;
}

export function chartAlarms(state: NormalChartState, design: ChartDesign): ChartAlarms {
  return { ewma: state.points > 0 && state.ewma >= ewmaLimit(design), cusum: state.cusum >= design.cusumH };
}

export interface ChartOnset {
  /** The maximum-likelihood change point: the first point after the last zero of the CUSUM. */
  onsetMs: number | null;
  onsetLowMs: number | null;
  /** Mean of the raw values since then, and their number. */
  mean: number | null;
  points: number;
}

export function chartOnset({ sinceMs, sinceSum, sincePoints, zeroMs }: NormalChartState): ChartOnset {
  return {
    onsetMs: sinceMs,
    onsetLowMs: sinceMs === null ? null : (zeroMs ?? sinceMs),
    mean: sincePoints > 0 ? sinceSum / sincePoints : null,
    points: sincePoints,
  };
}

/** How much of a correlated history's uncertain centre is paid for; measured by `bench -- calibration`, rows `ar50`, `ar80`. */
const CENTRE_SHARE = 0.25;

/**
 * The same design for a series with lag-1 correlation `rho` and a history of `points`. The EWMA's variance is that of an
 * AR(1) series (Schmid 1997); the CUSUM's run length depends on k·h ÷ the long-run variance (Siegmund 1985), so h grows
 * with it. A correlated history knows its centre as badly as a shorter one; that of independent points is paid for by the
 * reach of their ranks.
 */
export function widenedDesign(design: ChartDesign, { rho, points }: { rho: number; points: number }): ChartDesign {
  const { ewmaLambda, ewmaL, cusumH } = design;
  const kept = (1 - ewmaLambda) * rho;
  const longRun = (1 + rho) / (1 - rho);
  const remembered = (2 - ewmaLambda) / ewmaLambda;
  const ofCentre = (CENTRE_SHARE * (longRun - 1) * remembered) / Math.max(1, points);
  return {
    ...design,
    ewmaL: ewmaL * Math.sqrt((1 + kept) / (1 - kept) + ofCentre),
    cusumH: cusumH * (longRun + ofCentre),
  };
}
