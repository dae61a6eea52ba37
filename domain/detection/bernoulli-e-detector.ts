import { breakEvenRate } from './bernoulli-bound';
import { wilsonUpper } from './rate-limits';
import type { CountRow, RateBaseline } from './types';

// Bound once: inside a sandbox (vm context) every look at the global Math costs as much as the arithmetic.
const { exp, log, log1p, max, min, round: wholeNumber, sqrt } = Math;

/** One alternative rate, with the nats that one failure and one success add to its evidence. */
export interface RateAlternative {
  rate: number;
  failureNats: number;
  successNats: number;
}

export interface BernoulliParams {
  /** What the last good history says about the rate (its point estimate), for people. */
  expectedRate: number;
  /** Null: upper confidence limit of the last good rate and of what its level does in good times. */
  p0: number;
  practicalMargin: number;
  alternatives: RateAlternative[];
  /** ln of the mean number of observations between false alarms. */
  thresholdNats: number;
  falseAlarmDays: number;
  minFailures: number;
  /** False: the history is too small or too bad to tell anything; such a chart is `inconclusive`, never an alarm. */
  usable: boolean;
}

/**
 * State of one alternative: the log Shiryaev–Roberts statistic and, over all moments at which the change may have
 * begun (each weighted by its likelihood), mean age and its standard deviation in ms, and trials and failures since.
 */
export type AlternativeState = [logEvidence: number, ageMs: number, ageSdMs: number, trials: number, failures: number];

/** JSON-serialisable, O(1). `atMs` is the begin of the newest row; null before the first. */
export interface BernoulliState {
  atMs: number | null;
  trials: number;
  failures: number;
  /** Rows that could not be read. They change nothing else. */
  unmeasured: number;
  grid: AlternativeState[];
}

export interface BernoulliOptions {
  practicalMargin: number;
  /** Mean days between false alarms of this chart; at least 30 in the shipped policy. */
  falseAlarmDays: number;
  observationsPerSecond: number;
  /** Fewer failures than this since the onset never alarm (default 4): two requests with one error are no evidence. */
  minFailures?: number;
  /** Alternatives (default 4): 5 or 6 shorten delays by at most 3 % and cost 33 bytes of state each. */
  gridSize?: number;
}

const HIGHEST_ALTERNATIVE = 0.98;
const MIN_ARL_OBSERVATIONS = 1_000;
/** exp(-99) is nothing; -Infinity would not survive JSON. */
const NO_EVIDENCE_NATS = -99;

/** Standard normal quantile at 90 %. */
const Z90 = 1.2815515655446004;
/** p0 above it leaves no room for a rate that is worse by more than chance. */
const MAX_USABLE_RATE = 0.97;

/**
 * Parameters of the detector for a history. The smallest alternative p1 is the one whose break-even rate (where the
 * evidence neither grows nor falls) is p0 + practicalMargin: below it the evidence shrinks however much data there is.
 */
export function bernoulliParams(baseline: RateBaseline, options: BernoulliOptions): BernoulliParams {
  // Both at 90 %: what is not known of the level, and what the level does in good times.
  const p0 = max(1e-6, wilsonUpper(baseline.failures, baseline.trials, 0.9) + Z90 * (baseline.levelSd ?? 0));
  const margin = max(0.001, options.practicalMargin);
  const usable = baseline.trials > 0 && p0 + margin < MAX_USABLE_RATE;
  const arl = max(MIN_ARL_OBSERVATIONS, options.falseAlarmDays * 86_400 * max(0, options.observationsPerSecond || 0));
  return {
    expectedRate: baseline.trials > 0 ? baseline.failures / baseline.trials : 0,
    p0,
    practicalMargin: margin,
    alternatives: usable ? alternativeGrid(p0, margin, options.gridSize ?? 4) : [],
    thresholdNats: log(arl),
    falseAlarmDays: options.falseAlarmDays,
    minFailures: options.minFailures ?? 4,
    usable,
  };
}

export function initialBernoulliState(params: BernoulliParams): BernoulliState {
  return {
    atMs: null,
    trials: 0,
    failures: 0,
    unmeasured: 0,
    grid: params.alternatives.map(() => [NO_EVIDENCE_NATS, 0, 0, 0, 0]),
  };
}

/**
 * Folds one row. For each alternative R' = (R + n) · L^failures · M^successes: all n possible beginnings inside the row
 * are put at its begin, so the unknown order of its observations cannot matter; one-observation rows give exactly the
 * Shiryaev–Roberts e-detector of Shin, Ramdas, Rinaldo (2023). Under any rate ≤ p0, E[R' | past] ≤ R + n, hence
 * mean observations to a false alarm ≥ exp(thresholdNats), for rows of any size.
 */
export function stepBernoulli(state: BernoulliState, params: BernoulliParams, row: CountRow): BernoulliState {
  const counts = readCounts(row);
  if (counts === null) return { ...state, unmeasured: state.unmeasured + 1 };
  const { trials, failures } = counts;
  const logTrials = log(trials);
  // A row that comes late (labels do) is counted at the newest time: ages never become negative.
  const atMs = state.atMs === null ? row.atMs : max(state.atMs, row.atMs);
  const elapsedMs = state.atMs === null ? 0 : atMs - state.atMs;
  const grid = params.alternatives.map((alternative, index): AlternativeState => {
    const [logR, age, sd, n, f] = state.grid[index] ?? [NO_EVIDENCE_NATS, 0, 0, 0, 0];
    const logStarts = logAdd(logR, logTrials);
    const fresh = exp(logTrials - logStarts);
    const old = 1 - fresh;
    const oldAge = age + elapsedMs;
    const evidence = logStarts + failures * alternative.failureNats + (trials - failures) * alternative.successNats;
    return [
      rounded(max(NO_EVIDENCE_NATS, evidence), 1e4),
      wholeNumber(old * oldAge),
      wholeNumber(sqrt(old * (sd * sd + fresh * oldAge * oldAge))),
      rounded(old * n + trials, 10),
      rounded(old * f + failures, 100),
    ];
  });
  return {
    atMs,
    trials: state.trials + trials,
    failures: state.failures + failures,
    unmeasured: state.unmeasured,
    grid,
  };
}

export interface BernoulliEvidence {
  /** ln of the mixture over the alternatives (equal weights). */
  nats: number;
  alarm: boolean;
  /** The change point: mean of its distribution given the data, and about 95 % of it. */
  onsetMs: number | null;
  onsetLowMs: number | null;
  onsetHighMs: number | null;
  trialsSinceOnset: number;
  failuresSinceOnset: number;
}

/** What the state says: evidence, alarm, change point, and the counts since it. */
export function bernoulliEvidence(state: BernoulliState, params: BernoulliParams): BernoulliEvidence {
  let logSum = -Infinity;
  for (const [logR] of state.grid) logSum = logAdd(logSum, logR);
  if (state.atMs === null || state.grid.length === 0 || !params.usable) {
    return {
      nats: NO_EVIDENCE_NATS,
      alarm: false,
      onsetMs: null,
      onsetLowMs: null,
      onsetHighMs: null,
      trialsSinceOnset: 0,
      failuresSinceOnset: 0,
    };
  }
  let age = 0;
  let ageSquared = 0;
  let trials = 0;
  let failures = 0;
  for (const [logR, ageMs, sdMs, n, f] of state.grid) {
    const weight = exp(logR - logSum);
    age += weight * ageMs;
    ageSquared += weight * (ageMs * ageMs + sdMs * sdMs);
    trials += weight * n;
    failures += weight * f;
  }
  const sd = sqrt(max(0, ageSquared - age * age));
  const nats = logSum - log(state.grid.length);
  return {
    nats,
    // The counts are means over possible beginnings: 3.5 of them mean that most hold four failures.
    alarm: nats >= params.thresholdNats && failures >= params.minFailures - 0.5,
    onsetMs: wholeNumber(state.atMs - age),
    onsetLowMs: wholeNumber(state.atMs - age - 2 * sd),
    onsetHighMs: wholeNumber(min(state.atMs, state.atMs - age + 2 * sd)),
    trialsSinceOnset: trials,
    failuresSinceOnset: failures,
  };
}

/** The rate that `trials` observations since an onset must show to alarm; null when no rate could, with so few. */
export function alarmRate(params: BernoulliParams, trials: number): number | null {
  if (!params.usable || !(trials >= 1)) return null;
  const evidenceAt = (failures: number): number => {
    let logSum = -Infinity;
    for (const { failureNats, successNats } of params.alternatives) {
      logSum = logAdd(logSum, failures * failureNats + (trials - failures) * successNats);
    }
    return log(trials) + logSum - log(params.alternatives.length);
  };
  if (trials < params.minFailures || evidenceAt(trials) < params.thresholdNats) return null;
  let low = 0;
  let high = trials;
  for (let i = 0; i < 40; i += 1) {
    const middle = (low + high) / 2;
    if (evidenceAt(middle) >= params.thresholdNats) high = middle;
    else low = middle;
  }
  return min(1, max(high, params.minFailures) / trials);
}

function alternativeGrid(p0: number, margin: number, size: number): RateAlternative[] {
  let low = p0 + margin;
  let high = 1 - 1e-9;
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2;
    if (breakEvenRate(p0, middle) >= p0 + margin) high = middle;
    else low = middle;
  }
  const smallest = high;
  const largest = max(HIGHEST_ALTERNATIVE, smallest);
  const count = largest / smallest < 1.02 ? 1 : max(1, size);
  return Array.from({ length: count }, (_, index) => {
    const rate = count === 1 ? smallest : smallest * (largest / smallest) ** (index / (count - 1));
    return { rate, failureNats: log(rate / p0), successNats: log((1 - rate) / (1 - p0)) };
  });
}

function readCounts(row: CountRow): { trials: number; failures: number } | null {
  const { trials, failures } = row;
  if (!Number.isFinite(row.atMs) || trials === null || failures === null) return null;
  if (!Number.isFinite(trials) || !Number.isFinite(failures)) return null;
  return trials > 0 && failures >= 0 && failures <= trials ? { trials, failures } : null;
}

function logAdd(left: number, right: number): number {
  if (left === -Infinity) return right;
  const high = max(left, right);
  return high + log1p(exp(min(left, right) - high));
}

function rounded(value: number, scale: number): number {
  return wholeNumber(value * scale) / scale;
}
