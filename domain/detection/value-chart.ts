import {
  chartAlarms,
  chartOnset,
  ewmaLimit,
  initialNormalChart,
  stepNormalChart,
  widenedDesign,
  type ChartDesign,
  type NormalChartState,
} from './normal-chart';
import { scoreOf, type ScoreReference } from './score-reference';
import { initialSustained, isSustained, stepSustained, type SustainedRule, type SustainedState } from './sustained';
import type { HarmfulDirection, ValuePoint } from './types';
import { unitChange } from './unit-change';

/**
 * The shipped value chart: both charts and the rule together have an average run of 500 points, two-sided. How the
 * numbers were chosen: docs/detection.md.
 */
export const VALUE_CHART_DESIGN: ChartDesign = { ewmaLambda: 0.1, ewmaL: 2.65, cusumK: 0.5, cusumH: 4.5 };
/** An alarm of 1 or 0 is a hit from .5. Correlation is paid for in the limits, not a second time here. */
export const VALUE_CHART_RULE: SustainedRule = { needed: 2, window: 3, sigmas: 0.5 };

/** What a chart of one metric is made with: once for each history, not for each point. */
export interface ValueChartParams {
  reference: ScoreReference;
  design: ChartDesign;
  /** The sides that are watched; both for a metric that may go wrong either way. */
  sides: readonly HarmfulDirection[];
  /** Whose unit it is. One from elsewhere may change overnight; a jump of what we measure ourselves is real. */
  unit: 'own' | 'foreign';
}

/** One side of the centre. JSON-serialisable, O(1), like the whole state. */
export interface ValueChartSide {
  chart: NormalChartState;
  alarms: SustainedState;
}

export interface ValueChartState {
  sides: readonly ValueChartSide[];
  /** Time of the newest point that was folded. */
  atMs: number | null;
  /** Points that could not be read, or came twice or too late. */
  unmeasured: number;
  /** The newest points in a row that look as if the unit had changed, and the factor. */
  rescaled: number;
  factor: number;
}

/** Charts on normal scores of ranks, widened for what the history is worth, whose alarm must itself be sustained. */
export function valueChartParams(
  reference: ScoreReference,
  direction: HarmfulDirection | 'both',
  nominal: ChartDesign = VALUE_CHART_DESIGN,
  unit: ValueChartParams['unit'] = 'own',
): ValueChartParams {
  return {
    reference,
    design: widenedDesign(nominal, reference),
    sides: direction === 'both' ? ['up', 'down'] : [direction],
    unit,
  };
}

export function initialValueChart({ sides }: Pick<ValueChartParams, 'sides'>): ValueChartState {
  const fresh = (): ValueChartSide => ({ chart: initialNormalChart(), alarms: initialSustained() });
  return { sides: sides.map(fresh), atMs: null, unmeasured: 0, rescaled: 0, factor: 1 };
}

/**
 * Folds one point. What cannot be read (null, NaN, infinities), comes twice or out of order, or looks like another unit
 * where it may be one is unmeasured: counted, and the charts stand still.
 */
export function stepValueChart(state: ValueChartState, params: ValueChartParams, point: ValuePoint): ValueChartState {
  const { value, atMs } = point;
  const unmeasured = { ...state, unmeasured: state.unmeasured + 1 };
  if (value === null || !Number.isFinite(value) || !Number.isFinite(atMs)) return unmeasured;
  if (state.atMs !== null && atMs <= state.atMs) return unmeasured;
  const { knots } = params.reference;
  const [low = NaN] = knots;
  const factor = params.unit === 'own' ? null : unitChange(value, low, knots[knots.length - 1] ?? NaN);
  if (factor !== null) return { ...unmeasured, atMs, factor, rescaled: state.rescaled + 1 };
  const score = scoreOf(params.reference, value);
  const sides = state.sides.map((side, index) =>
    stepSide(side, params, { atMs, value, score: params.sides[index] === 'down' ? -score : score }),
  );
  return { sides, atMs, unmeasured: state.unmeasured, rescaled: 0, factor: 1 };
}

function stepSide(
  side: ValueChartSide,
  { design }: ValueChartParams,
  point: { atMs: number; value: number; score: number },
): ValueChartSide {
  const chart = stepNormalChart(side.chart, design, point);
  const { ewma, cusum } = chartAlarms(chart, design);
  return { chart, alarms: stepSustained(side.alarms, VALUE_CHART_RULE, ewma || cusum ? 1 : 0) };
}

/** What the charts say, without the practical margin. */
export interface ValueChartEvidence {
  direction: HarmfulDirection;
  /** Either chart of the side is beyond its limit now. */
  alarm: boolean;
  /** It has been for most of the rule's window; never with a cold history. */
  sustained: boolean;
  statistic: { name: 'EWMA' | 'CUSUM'; value: number; threshold: number };
  onsetMs: number | null;
  onsetLowMs: number | null;
  /** Mean of the values since the onset, and their number. */
  mean: number | null;
  points: number;
}

/** The side that is further out, in units of its limits. */
export function valueChartEvidence(state: ValueChartState, params: ValueChartParams): ValueChartEvidence {
  const all = state.sides.map((side, index) => sideEvidence(side, params, params.sides[index] ?? 'up'));
  return all.reduce((worst, one) => (urgency(one) > urgency(worst) ? one : worst));
}

function sideEvidence(
  { chart, alarms }: ValueChartSide,
  { design, reference }: ValueChartParams,
  direction: HarmfulDirection,
): ValueChartEvidence {
  const warm = reference.warmth !== 'cold';
  const beyond = chartAlarms(chart, design);
  const limit = ewmaLimit(design);
  const alarm = warm && (beyond.ewma || beyond.cusum);
  const byEwma = chart.ewma / limit >= chart.cusum / design.cusumH;
  return {
    direction,
    alarm,
    sustained: alarm && isSustained(alarms, VALUE_CHART_RULE),
    statistic: byEwma
      ? { name: 'EWMA', value: chart.ewma, threshold: limit }
      : { name: 'CUSUM', value: chart.cusum, threshold: design.cusumH },
    ...chartOnset(chart),
  };
}

function urgency({ sustained, alarm, statistic }: ValueChartEvidence): number {
  return Number(sustained) * 2e6 + Number(alarm) * 1e6 + statistic.value / statistic.threshold;
}
