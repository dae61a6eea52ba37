import { initialTailSurprise, surprise, type TailSurprise } from './tail-surprise';

/** Points of the short means: what changes for an hour of five-minute points, and for four. */
const SHORT = 12;
const LONG = 48;
const VARIANCE_POINTS = 24;
const VARIANCE_MEMORY = 2000;

const STATISTICS = ['point', 'short', 'long', 'residual', 'shortResidual', 'longResidual', 'variance'] as const;
type StatisticName = (typeof STATISTICS)[number];

/** What is strange about a series, statistic by statistic, each against its own past. JSON-serialisable, bounded. */
export interface SeriesNovelty {
  values: number[];
  residuals: number[];
  logVariance: number;
  variances: number;
  pasts: Record<StatisticName, TailSurprise>;
}

export function initialSeriesNovelty(): SeriesNovelty {
  const pasts = Object.fromEntries(STATISTICS.map((name) => [name, initialTailSurprise()]));
  return {
    values: [],
    residuals: [],
    logVariance: 0,
    variances: 0,
    pasts: pasts as Record<StatisticName, TailSurprise>,
  };
}

/**
 * Sum of the surprises of one point (0 and above, nats), in place. Each of seven statistics is compared with its own
 * past only: the point, its mean over 12 and 48 points, the same of the residual against the expectation of the time of
 * day, and the variance of 24 points. `center` is the median of the past, `residual` null where nothing was expected.
 */
export function stepNovelty(
  state: SeriesNovelty,
  point: { value: number; center: number; spread: number; residual: number | null },
): number {
  keepLast(state.values, point.value);
  let sum = weigh(state, 'point', point.value - point.center);
  sum += weigh(state, 'short', meanOfLast(state.values, SHORT) - point.center);
  sum += weigh(state, 'long', meanOfLast(state.values, LONG) - point.center);
  sum += weigh(state, 'variance', varianceChange(state, point.spread));
  if (point.residual === null) return sum;
  keepLast(state.residuals, point.residual);
  sum += weigh(state, 'residual', point.residual);
  sum += weigh(state, 'shortResidual', meanOfLast(state.residuals, SHORT));
  sum += weigh(state, 'longResidual', meanOfLast(state.residuals, LONG));
  return sum;
}

function weigh(state: SeriesNovelty, name: StatisticName, statistic: number): number {
  return Number.isFinite(statistic) ? surprise(state.pasts[name], Math.abs(statistic)) : 0;
}

/** Distance of the logarithm of the variance from its own mean; NaN while there is none. */
function varianceChange(state: SeriesNovelty, spread: number): number {
  const mean = meanOfLast(state.values, VARIANCE_POINTS);
  if (Number.isNaN(mean)) return NaN;
  let squares = 0;
  for (const value of state.values.slice(-VARIANCE_POINTS)) squares += (value - mean) ** 2;
  // A stretch that stands still has no logarithm: below a thousandth of the usual spread all is as still.
  const logVariance = Math.log(squares / VARIANCE_POINTS + (1e-3 * spread) ** 2);
  if (!Number.isFinite(logVariance)) return NaN;
  const before = state.logVariance;
  state.variances += 1;
  state.logVariance += Math.max(1 / VARIANCE_MEMORY, 1 / state.variances) * (logVariance - before);
  return state.variances > VARIANCE_POINTS ? logVariance - before : NaN;
}

function keepLast(values: number[], value: number): void {
  values.push(value);
  if (values.length > LONG) values.shift();
}

/** NaN while there are fewer. */
function meanOfLast(values: readonly number[], count: number): number {
  if (values.length < count) return NaN;
  let sum = 0;
  for (let at = values.length - count; at < values.length; at += 1) sum += values[at] ?? 0;
  return sum / count;
}
