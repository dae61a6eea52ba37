import { clip, type ChartLimits } from './chart-limits';
import type { HarmfulDirection, ValuePoint } from './types';

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

export interface NormalChartParams {
  design: ChartDesign;
  limits: ChartLimits;
  harmful: HarmfulDirection;
}

/** JSON-serialisable, O(1). Scores are standardised so that harm is positive. */
export interface NormalChartState {
  points: number;
  unmeasured: number;
  ewma: number;
  cusum: number;
  /** Mean and count of the raw values since the CUSUM last left zero: the onset's side of the change point. */
  sinceMs: number | null;
  sinceSum: number;
  sincePoints: number;
  /** When the CUSUM was last at zero before that: the earliest plausible onset. */
  zeroMs: number | null;
  atMs: number | null;
}

export function initialNormalChart(): NormalChartState {
  return {
    points: 0,
    unmeasured: 0,
    ewma: 0,
    cusum: 0,
    sinceMs: null,
    sinceSum: 0,
    sincePoints: 0,
    zeroMs: null,
    atMs: null,
  };
}

/** Folds one point. NaN, null and infinities are unmeasured: counted, nothing else. */
export function stepNormalChart(
  state: NormalChartState,
  params: NormalChartParams,
  point: ValuePoint,
): NormalChartState {
  const { value, atMs } = point;
  if (value === null || !Number.isFinite(value) || !Number.isFinite(atMs)) {
    return { ...state, unmeasured: state.unmeasured + 1 };
  }
  const score = harmScore(params, value);
  const { ewmaLambda, cusumK } = params.design;
  const cusum = Math.max(0, state.cusum + score - cusumK);
  const begins = state.cusum === 0;
  const common = {
    points: state.points + 1,
    unmeasured: state.unmeasured,
    ewma: (1 - ewmaLambda) * state.ewma + ewmaLambda * score,
    cusum,
    atMs,
  };
  if (cusum === 0) return { ...common, sinceMs: null, sinceSum: 0, sincePoints: 0, zeroMs: atMs };
  return {
    ...common,
    sinceMs: begins ? atMs : state.sinceMs,
    sinceSum: (begins ? 0 : state.sinceSum) + value,
    sincePoints: (begins ? 0 : state.sincePoints) + 1,
    zeroMs: state.zeroMs,
  };
}

export interface NormalChartEvidence {
  /** Either chart is beyond its limit; never with a cold history. */
  alarm: boolean;
  ewmaAlarm: boolean;
  cusumAlarm: boolean;
  ewmaLimit: number;
  /** Limits of a single value in its own unit (mean ± 3 widened sigma). */
  ucl: number;
  lcl: number;
  onsetMs: number | null;
  onsetLowMs: number | null;
  meanSinceOnset: number | null;
  pointsSinceOnset: number;
}

/** What the state says. The onset is the maximum-likelihood change point: the first point after the last zero. */
export function normalChartEvidence(state: NormalChartState, params: NormalChartParams): NormalChartEvidence {
  const { limits, design } = params;
  const ewmaLimit = design.ewmaL * Math.sqrt(design.ewmaLambda / (2 - design.ewmaLambda));
  const warm = limits.warmth !== 'cold';
  const ewmaAlarm = warm && state.points > 0 && state.ewma >= ewmaLimit;
  const cusumAlarm = warm && state.cusum >= design.cusumH;
  const middle = limits.center + limits.scoreMean * limits.spread;
  const half = 3 * limits.spread * limits.scoreSd * limits.widening;
  return {
    alarm: ewmaAlarm || cusumAlarm,
    ewmaAlarm,
    cusumAlarm,
    ewmaLimit,
    ucl: middle + half,
    lcl: middle - half,
    onsetMs: state.sinceMs,
    onsetLowMs: state.sinceMs === null ? null : (state.zeroMs ?? state.sinceMs),
    meanSinceOnset: state.sincePoints > 0 ? state.sinceSum / state.sincePoints : null,
    pointsSinceOnset: state.sincePoints,
  };
}

/** Standardised distance from the centre, positive when harmful, clipped. */
export function harmScore(params: Pick<NormalChartParams, 'limits' | 'harmful'>, value: number): number {
  const { center, spread, clipSigmas, scoreMean, scoreSd, widening } = params.limits;
  const score = (clip((value - center) / spread, clipSigmas) - scoreMean) / (scoreSd * widening);
  return params.harmful === 'up' ? score : -score;
}
