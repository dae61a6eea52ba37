import {
  EXCESS_LIMIT,
  seriesEvidence,
  WARM_POINTS,
  type SeriesChartParams,
  type SeriesChartState,
} from './series-chart';
import type { Tier, Verdict } from './types';
import { buildVerdict, clockText, numberText } from './verdict';

/** A changed unit multiplies by one of these, and the series' own rhythm by up to two more. */
const UNIT_FACTORS = [1e3, 1e6];
const UNIT_TOLERANCE = 2;

/** What keeps a series from being judged, or `judged`. */
export type SeriesCondition = 'silent' | 'warming' | 'constant' | 'unit-change' | 'judged';

export interface SeriesVerdictOptions {
  metric: string;
  tier: Tier;
  baseline: string;
  nowMs: number;
  /** Silence of more than this is unmeasured. */
  staleMs: number;
  /** It has no other unit (a ratio, a distance): a thousandfold change is what it says. */
  fixedUnit?: boolean;
}

/** Names the state that a series is in; an alarm counts only in `judged`. */
export function seriesCondition(
  state: SeriesChartState,
  options: Pick<SeriesVerdictOptions, 'nowMs' | 'staleMs' | 'fixedUnit'>,
): SeriesCondition {
  if (state.atMs === null || options.nowMs - state.atMs > options.staleMs) return 'silent';
  if (state.points <= WARM_POINTS || state.excess === null) return 'warming';
  if (state.excess.tailSpread === 0) return 'constant';
  if (options.fixedUnit === true) return 'judged';
  // The mean alone could be one wild point, the last point alone too.
  const changed = looksLikeUnit(state.episode?.mean, state.expected) && looksLikeUnit(state.value, state.expected);
  return changed ? 'unit-change' : 'judged';
}

/**
 * The verdict on the last points. `degraded`: sustained alarms in the harmful direction. `inconclusive`: an alarm that
 * is not sustained, news of any direction, a constant that moved, a past that is too short. The limits are those of one
 * point against the past range; the time of day can only widen them.
 */
export function assessSeriesChart(
  state: SeriesChartState,
  params: SeriesChartParams,
  options: SeriesVerdictOptions,
): Verdict {
  const { metric } = options;
  const { episode, excess, value, expected } = state;
  const evidence = seriesEvidence(state, params);
  const observed = episode?.mean ?? value;
  const past = episode ?? excess;
  const half = EXCESS_LIMIT * (past?.tailSpread ?? 0);
  const common = {
    tier: options.tier,
    metric,
    unit: params.unit,
    baseline: options.baseline,
    observed,
    expected,
    ucl: past === null ? null : past.center + half,
    lcl: past === null ? null : past.center - half,
    samples: episode?.points ?? (value === null ? 0 : 1),
    sinceMs: episode?.onsetMs ?? state.atMs,
    statistic: { name: 'range excess', value: evidence.excess, threshold: EXCESS_LIMIT, falseAlarmDays: null },
  };
  const text = (number: number | null): string => (number === null ? '–' : `${numberText(number)} ${params.unit}`);
  const usual = `its own past says ${text(expected)}`;
  const condition = seriesCondition(state, options);
  switch (condition) {
    case 'silent':
      return buildVerdict({
        ...common,
        kind: 'unmeasured',
        observed: null,
        sentence: `${metric}: no value that could be read`,
      });
    case 'warming': {
      const sentence = `${metric}: ${state.points} points of its own past are too few to judge it`;
      return buildVerdict({ ...common, kind: 'inconclusive', ucl: null, lcl: null, sentence });
    }
    case 'constant': {
      const moved = evidence.alarm || episode !== null;
      const sentence = moved
        ? `${metric} is ${text(value)}; it never moved from ${text(expected)} before, so nothing says how much is much`
        : `${metric} is ${text(value)}, as always`;
      return buildVerdict({ ...common, kind: moved ? 'inconclusive' : 'ok', sentence });
    }
    case 'unit-change': {
      const sentence = `${metric} is ${text(observed)} where ${usual}: a thousandfold change is taken for another unit`;
      return buildVerdict({ ...common, kind: 'unmeasured', sentence });
    }
    case 'judged':
      break;
  }
  if (episode !== null) {
    const onset = { onsetMs: episode.onsetMs, onsetLowMs: episode.onsetLowMs, onsetHighMs: episode.onsetHighMs };
    const limit = episode.direction === 1 ? common.ucl : common.lcl;
    const sentence =
      `${metric} is ${text(observed)} on average over ${episode.points} points since ${clockText(episode.onsetMs)}; ` +
      `${usual} (limit of one point ${text(limit)})`;
    if (evidence.sustained) return buildVerdict({ ...common, ...onset, kind: 'degraded', sentence });
    return buildVerdict({ ...common, ...onset, kind: 'inconclusive', sentence: `${sentence}; not sustained` });
  }
  if (evidence.news) {
    return buildVerdict({
      ...common,
      kind: 'inconclusive',
      statistic: { name: 'novelty', value: state.novelty, threshold: evidence.noveltyLimit, falseAlarmDays: null },
      sentence: `${metric} is ${text(value)}: its course is unlike anything in its own past, though within its range`,
    });
  }
  return buildVerdict({ ...common, kind: 'ok', sentence: `${metric} is ${text(value)}; ${usual}` });
}

function looksLikeUnit(observed: number | null | undefined, expected: number | null): boolean {
  if (!observed || !expected) return false;
  const ratio = Math.abs(Math.log(Math.abs(observed / expected)));
  return UNIT_FACTORS.some((factor) => Math.abs(ratio - Math.log(factor)) <= Math.log(UNIT_TOLERANCE));
}
