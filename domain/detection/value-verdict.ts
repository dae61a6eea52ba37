import { centerOf } from './score-reference';
import type { HarmfulDirection, Tier, Verdict } from './types';
import { valueChartEvidence, type ValueChartParams, type ValueChartState } from './value-chart';
import { buildVerdict, clockText, numberText } from './verdict';

export interface ValueVerdictOptions {
  metric: string;
  tier: Tier;
  unit: string;
  /** In the metric's own unit: a mean since the onset that is nearer to the centre is never a degradation. */
  practicalMargin: number;
  /** Mean time between false alarms of the chart as designed, null where none is promised. */
  falseAlarmDays: number | null;
  baseline: string;
  nowMs: number;
  staleMs: number;
}

/** Fewer points in another unit may be a slip. */
const RESCALED_POINTS = 3;

/** The verdict: the chart alarms, has done so for most of the rule's window, and the distance matters. */
export function assessValueChart(
  state: ValueChartState,
  params: ValueChartParams,
  options: ValueVerdictOptions,
): Verdict {
  const { reference } = params;
  const { metric, unit, practicalMargin, nowMs } = options;
  const evidence = valueChartEvidence(state, params);
  const center = centerOf(reference);
  const observed = evidence.mean ?? center;
  const beyond = Math.abs(harm(evidence.direction, observed - center)) >= practicalMargin;
  const { ucl, lcl } = pointLimits(params, practicalMargin);
  const common = {
    tier: options.tier,
    metric,
    unit,
    baseline: options.baseline,
    observed,
    expected: center,
    ucl,
    lcl,
    samples: evidence.points,
    sinceMs: evidence.onsetMs,
    statistic: { ...evidence.statistic, falseAlarmDays: options.falseAlarmDays },
  };
  const without = (kind: Verdict['kind'], sentence: string): Verdict =>
    buildVerdict({ ...common, kind, observed: null, sentence: `${metric}: ${sentence}` });
  const { atMs } = state;
  // A clock that ran ahead leaves a point of the future, after which every other one came too late.
  if (atMs === null || Math.abs(nowMs - atMs) > options.staleMs)
    return without('unmeasured', 'no value that could be read');
  if (state.rescaled >= RESCALED_POINTS) {
    const times = state.factor > 1 ? `${state.factor} times` : `1/${Math.round(1 / state.factor)} of`;
    return without(
      'unmeasured',
      `the newest ${state.rescaled} values are ${times} those of its history, as if the unit had changed`,
    );
  }
  if (reference.warmth === 'cold') {
    return without('inconclusive', `${reference.points} points of history are too few for limits`);
  }
  const history = `its own history says ${numberText(center)} ${unit}`;
  if (evidence.sustained && beyond) {
    const since = evidence.onsetMs ?? atMs;
    const limit = evidence.direction === 'up' ? ucl : lcl;
    return buildVerdict({
      ...common,
      kind: 'degraded',
      onsetMs: since,
      onsetLowMs: evidence.onsetLowMs,
      onsetHighMs: atMs,
      sentence:
        `${metric} is ${numberText(observed)} ${unit} on average over ${evidence.points} ` +
        `points since ${clockText(since)}; ${history} (limit of one point ${numberText(limit ?? center)})`,
    });
  }
  // An alarm of the chart that is not sustained yet is not `ok` for certain either.
  const kind = evidence.alarm && beyond ? 'inconclusive' : 'ok';
  return buildVerdict({ ...common, kind, sentence: `${metric} is ${numberText(observed)} ${unit}; ${history}` });
}

/** Where single values of the history end, moved out to the practical margin; only on the sides that are watched. */
function pointLimits({ reference, sides }: ValueChartParams, margin: number): Pick<Verdict, 'ucl' | 'lcl'> {
  const { knots } = reference;
  const center = centerOf(reference);
  return {
    ucl: sides.includes('up') ? Math.max(knots[knots.length - 1] ?? center, center + margin) : null,
    lcl: sides.includes('down') ? Math.min(knots[0] ?? center, center - margin) : null,
  };
}

function harm(direction: HarmfulDirection, distance: number): number {
  return direction === 'up' ? distance : -distance;
}
