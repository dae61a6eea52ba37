import {
  initialNormalChart,
  normalChartEvidence,
  stepNormalChart,
  type NormalChartParams,
  type NormalChartState,
} from './normal-chart';
import {
  FAST_RULE,
  initialSustained,
  isSustained,
  stepSustained,
  widenRule,
  type SustainedRule,
  type SustainedState,
} from './sustained';
import type { Tier, ValuePoint, Verdict } from './types';
import { buildVerdict, clockText, numberText } from './verdict';

/** A mean-like metric (queue length, score, tokens): charts on clipped scores whose alarm must itself be sustained. */
export interface ValueChartParams extends NormalChartParams {
  /** In the metric's own unit: a smaller distance from the centre is never a degradation. */
  practicalMargin: number;
  unit: string;
  /** How long the chart's alarm must last (default 4 of 5 points), widened by the history's autocorrelation. */
  rule?: SustainedRule;
}

/** JSON-serialisable, O(1). */
export interface ValueChartState {
  chart: NormalChartState;
  alarms: SustainedState;
}

export interface ValueVerdictOptions {
  metric: string;
  tier: Tier;
  baseline: string;
  nowMs: number;
  staleMs: number;
}

export function initialValueChart(): ValueChartState {
  return { chart: initialNormalChart(), alarms: initialSustained() };
}

/** Folds one point; an unmeasured one leaves chart and rule standing. */
export function stepValueChart(state: ValueChartState, params: ValueChartParams, point: ValuePoint): ValueChartState {
  const chart = stepNormalChart(state.chart, params, point);
  if (chart.points === state.chart.points) return { chart, alarms: state.alarms };
  const alarm = normalChartEvidence(chart, params).alarm;
  return { chart, alarms: stepSustained(state.alarms, ruleOf(params), alarm ? 1 : 0) };
}

/** The verdict: the chart alarms, has done so for most of the rule's window, and the distance matters. */
export function assessValueChart(
  state: ValueChartState,
  params: ValueChartParams,
  options: ValueVerdictOptions,
): Verdict {
  const evidence = normalChartEvidence(state.chart, params);
  const { limits } = params;
  const observed = evidence.meanSinceOnset ?? limits.center;
  const common = {
    tier: options.tier,
    metric: options.metric,
    unit: params.unit,
    baseline: options.baseline,
    observed,
    expected: limits.center,
    ucl: evidence.ucl,
    lcl: evidence.lcl,
    samples: evidence.pointsSinceOnset,
    sinceMs: evidence.onsetMs,
    statistic: evidence.ewmaAlarm
      ? { name: 'EWMA', value: state.chart.ewma, threshold: evidence.ewmaLimit, falseAlarmDays: null }
      : { name: 'CUSUM', value: state.chart.cusum, threshold: params.design.cusumH, falseAlarmDays: null },
  };
  const { atMs } = state.chart;
  if (atMs === null || options.nowMs - atMs > options.staleMs) {
    const sentence = `${options.metric}: no value that could be read`;
    return buildVerdict({ ...common, kind: 'unmeasured', observed: null, sentence });
  }
  const history = `its own history says ${numberText(limits.center)} ${params.unit}`;
  if (limits.warmth === 'cold') {
    const sentence = `${options.metric}: ${limits.points} points of history are too few for limits`;
    return buildVerdict({ ...common, kind: 'inconclusive', ucl: null, lcl: null, sentence });
  }
  const distance = params.harmful === 'up' ? observed - limits.center : limits.center - observed;
  const beyond = distance >= params.practicalMargin;
  if (evidence.alarm && beyond && isSustained(state.alarms, ruleOf(params))) {
    const since = evidence.onsetMs ?? atMs;
    const limit = params.harmful === 'up' ? evidence.ucl : evidence.lcl;
    return buildVerdict({
      ...common,
      kind: 'degraded',
      onsetMs: since,
      onsetLowMs: evidence.onsetLowMs,
      onsetHighMs: atMs,
      sentence:
        `${options.metric} is ${numberText(observed)} ${params.unit} on average over ${evidence.pointsSinceOnset} ` +
        `points since ${clockText(since)}; ${history} (limit of one point ${numberText(limit)})`,
    });
  }
  // An alarm of the chart that is not sustained yet, or too small to matter, is not `ok` for certain either.
  const kind = evidence.alarm && beyond ? 'inconclusive' : 'ok';
  return buildVerdict({
    ...common,
    kind,
    sentence: `${options.metric} is ${numberText(observed)} ${params.unit}; ${history}`,
  });
}

function ruleOf(params: ValueChartParams): SustainedRule {
  return { ...widenRule(params.rule ?? FAST_RULE, params.limits.rho), sigmas: 1 };
}
