import { changePoint, type ChangePoint, type ScoredPoint } from './change-point';
import { habituatedLimit, initialHabituation, stepHabituation, type Habituation } from './habituation';
import { initialRangeExcess, stepRangeExcess, type Excess, type RangeExcess } from './range-excess';
import { expectSeasonal, initialSeasonalHistory, type SeasonalHistory } from './seasonal-expectation';
import { initialSeriesNovelty, stepNovelty, type SeriesNovelty } from './series-novelty';
import { initialSustained, isSustained, stepSustained, type SustainedRule, type SustainedState } from './sustained';
import type { HarmfulDirection, ValuePoint } from './types';

/**
 * An alarm: so many sigmas of its own past beyond the median, and beyond what the time of day lets expect. Chosen by
 * cross-validation over recordings; 4.7 to 5.6 do as well (docs/detection.md).
 */
export const EXCESS_LIMIT = 5.2;
/** News: the surprises of one point add up to this (nats), and more when there was news lately. 13 to 21 do as well. */
export const NOVELTY_LIMIT = 17;
/** A degradation: 4 of the last 5 points are alarms in the same direction. */
const RULE: SustainedRule = { needed: 4, window: 5, sigmas: EXCESS_LIMIT };
/** Below so many points nothing is said. */
export const WARM_POINTS = 100;
const TRAIL_POINTS = 64;
/** An episode ends after so many points without an alarm; news is news for as long. */
const CALM_POINTS = 10;
/** Values beyond it cannot be squared. */
const LARGEST = 1e150;

/** Any numeric series of which only its own past is known. */
export interface SeriesChartParams {
  unit: string;
  harmful: HarmfulDirection | 'either';
  /** In the metric's own unit: a smaller distance from the usual is never an alarm. 0 where nobody knows one. */
  practicalMargin: number;
  /** Default {@link NOVELTY_LIMIT}. */
  noveltyLimit?: number;
}

/** A stretch of alarms; its onset is settled while the trail still reaches behind it. */
export interface SeriesEpisode extends ChangePoint {
  direction: 1 | -1;
  pointsSinceAlarm: number;
  /** Of the past before its first alarm: later the past holds the episode itself. */
  center: number;
  tailSpread: number;
}

/**
 * JSON-serialisable and bounded, up to 290 KB of JSON: the last 2,000 values and residuals, three weeks of slots, 64 points.
 * The buffers inside are advanced in place: only the state that the last step returned may be used.
 */
export interface SeriesChartState {
  points: number;
  unmeasured: number;
  /** Points that were not newer than the one before: a repeated or late report is no new evidence. */
  disordered: number;
  atMs: number | null;
  value: number | null;
  expected: number | null;
  level: RangeExcess;
  residual: RangeExcess;
  season: SeasonalHistory;
  surprises: SeriesNovelty;
  /** Of the last point; null while the past is too short. */
  excess: Excess | null;
  novelty: number;
  news: Habituation;
  held: { up: SustainedState; down: SustainedState };
  trail: ScoredPoint[];
  episode: SeriesEpisode | null;
}

export function initialSeriesChart(): SeriesChartState {
  return {
    points: 0,
    unmeasured: 0,
    disordered: 0,
    atMs: null,
    value: null,
    expected: null,
    level: initialRangeExcess(),
    residual: initialRangeExcess(),
    season: initialSeasonalHistory(),
    surprises: initialSeriesNovelty(),
    excess: null,
    novelty: 0,
    news: initialHabituation(),
    held: { up: initialSustained(), down: initialSustained() },
    trail: [],
    episode: null,
  };
}

/** Folds one point. What could not be measured is counted, nothing else: the last value is no evidence for the next. */
export function stepSeriesChart(
  state: SeriesChartState,
  params: SeriesChartParams,
  point: ValuePoint,
): SeriesChartState {
  const { value, atMs } = point;
  if (value === null || !(Math.abs(value) <= LARGEST) || !Number.isFinite(atMs)) {
    return { ...state, unmeasured: state.unmeasured + 1 };
  }
  if (state.atMs !== null && atMs <= state.atMs) return { ...state, disordered: state.disordered + 1 };

  const floor = Math.max(0, params.practicalMargin) / EXCESS_LIMIT;
  const seasonal = expectSeasonal(state.season, atMs, value);
  const residual = seasonal === null ? null : value - seasonal;
  const ofLevel = stepRangeExcess(state.level, value, floor);
  const ofResidual = residual === null ? null : stepRangeExcess(state.residual, residual, floor);
  const excess = ofLevel && ofResidual ? lesser(ofLevel, ofResidual) : ofLevel;
  const novelty = ofLevel
    ? stepNovelty(state.surprises, { value, center: ofLevel.center, spread: ofLevel.bulkSpread, residual })
    : 0;
  const next: SeriesChartState = {
    ...state,
    points: state.points + 1,
    atMs,
    value,
    expected: seasonal ?? ofLevel?.center ?? null,
    excess,
    novelty,
    news: stepHabituation(state.news, params.noveltyLimit ?? NOVELTY_LIMIT, novelty),
    held: {
      up: stepSustained(state.held.up, RULE, excess?.up ?? null),
      down: stepSustained(state.held.down, RULE, excess?.down ?? null),
    },
  };
  next.trail.push({ atMs, value, score: excess?.bulk ?? 0 });
  if (next.trail.length > TRAIL_POINTS) next.trail.shift();
  return { ...next, episode: stepEpisode(next, params) };
}

export interface SeriesEvidence {
  /** There is enough past to judge a point. */
  warm: boolean;
  /** Distance of the last point in the harmful direction, in sigmas of the series' own past. */
  excess: number;
  /** The last point alone is beyond the limit. */
  alarm: boolean;
  /** Enough of the last points were. */
  sustained: boolean;
  /** One of the last points raised news: it is like nothing in the series' past, harmful or not. */
  news: boolean;
  noveltyLimit: number;
}

export function seriesEvidence(state: SeriesChartState, params: SeriesChartParams): SeriesEvidence {
  const warm = state.points > WARM_POINTS;
  const up = params.harmful === 'down' ? 0 : (state.excess?.up ?? 0);
  const down = params.harmful === 'up' ? 0 : (state.excess?.down ?? 0);
  const excess = Math.max(up, down);
  const { held } = state;
  const sustained =
    (params.harmful !== 'down' && isSustained(held.up, RULE)) ||
    (params.harmful !== 'up' && isSustained(held.down, RULE));
  return {
    warm,
    excess,
    alarm: warm && excess >= EXCESS_LIMIT,
    sustained: warm && sustained,
    news: state.news.sinceAlarm !== null && state.news.sinceAlarm < CALM_POINTS,
    noveltyLimit: habituatedLimit(state.news, params.noveltyLimit ?? NOVELTY_LIMIT),
  };
}

/** What is far from the level is no alarm where the time of day expects it, and the other way round. */
function lesser(ofLevel: Excess, ofResidual: Excess): Excess {
  return {
    ...ofLevel,
    up: Math.min(ofLevel.up, ofResidual.up),
    down: Math.min(ofLevel.down, ofResidual.down),
    bulk: Math.abs(ofLevel.bulk) < Math.abs(ofResidual.bulk) ? ofLevel.bulk : ofResidual.bulk,
  };
}

function stepEpisode(state: SeriesChartState, params: SeriesChartParams): SeriesEpisode | null {
  const { alarm } = seriesEvidence(state, params);
  const before = state.episode;
  const pointsSinceAlarm = alarm ? 0 : (before?.pointsSinceAlarm ?? 0) + 1;
  if (!alarm && (before === null || pointsSinceAlarm >= CALM_POINTS)) return null;
  const direction = before?.direction ?? ((state.excess?.up ?? 0) >= (state.excess?.down ?? 0) ? 1 : -1);
  const trailBegin = state.trail[0]?.atMs ?? 0;
  // Once the onset leaves the trail, a new estimate could only be the begin of the trail.
  const found = before === null || before.onsetLowMs > trailBegin ? changePoint(state.trail, direction) : null;
  const estimate = found ?? before;
  if (estimate === null) return null;
  const { center = 0, tailSpread = 0 } = before ?? state.excess ?? {};
  return { ...estimate, direction, pointsSinceAlarm, center, tailSpread };
}
