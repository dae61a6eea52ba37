/** How fast a degradation must be seen: seconds, 15 to 30 minutes, hours to days. */
export type Tier = 'immediate' | 'short-window' | 'trend';

/** `inconclusive`: measured, but undecided. `unmeasured`: could not measure; neither triggers nor resets anything. */
export type VerdictKind = 'ok' | 'degraded' | 'inconclusive' | 'unmeasured';

/** Which way is bad. */
export type HarmfulDirection = 'up' | 'down';

export interface VerdictStatistic {
  name: string;
  value: number;
  /** `value >= threshold` is an alarm. */
  threshold: number;
  /** Mean time between false alarms that the threshold was made for; null where the statistic promises none. */
  falseAlarmDays: number | null;
}

/** What one chart says about one metric, with everything that a person needs to check it. Times in ms since epoch. */
export interface Verdict {
  kind: VerdictKind;
  tier: Tier;
  /** For example `error-rate`, `recall:bulk`. */
  metric: string;
  classLabel?: string;
  /** A hard failure: pages even inside cooldown. */
  hard: boolean;
  observed: number | null;
  expected: number | null;
  ucl: number | null;
  lcl: number | null;
  /** Unit of observed, expected and limits: `ratio`, `ms`, `bytes/h`, … */
  unit: string;
  /** Number of observations behind `observed`. */
  samples: number;
  /** Begin of the observations behind `observed`. */
  sinceMs: number | null;
  /** Estimated moment at which the degradation began, and its interval (about 95 %). */
  onsetMs: number | null;
  onsetLowMs: number | null;
  onsetHighMs: number | null;
  statistic: VerdictStatistic;
  sentence: string;
  /** Whose history made the limits, in words. */
  baseline: string;
}

/** One row of counts. `atMs` is the begin of the row; a count that is missing or not a number makes it unmeasured. */
export interface CountRow {
  atMs: number;
  trials: number | null;
  failures: number | null;
}

/** One measured value; null and NaN are unmeasured. */
export interface ValuePoint {
  atMs: number;
  value: number | null;
}

/** Counts of a last good period: the history that limits are made of. */
export interface RateBaseline {
  trials: number;
  failures: number;
  /** By how much the level itself moves in good times (standard deviation); default 0. */
  levelSd?: number;
  /** The periods, in words, for `explain`. */
  words: string;
}
