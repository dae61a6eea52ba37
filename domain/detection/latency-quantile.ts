import { normalQuantile } from './normal-distribution';
import {
  FAST_RULE,
  initialSustained,
  isSustained,
  stepSustained,
  sustainedHits,
  type SustainedRule,
  type SustainedState,
} from './sustained';
import type { Tier, Verdict } from './types';
import { buildVerdict, clockText, numberText } from './verdict';

/**
 * One interval of a latency sketch. `lowMs` is the value at the lower rank of `quantileRanks`: the quantile is above it
 * with the chosen confidence. Without it the point estimate decides.
 */
export interface QuantileRow {
  atMs: number;
  count: number | null;
  valueMs: number | null;
  lowMs?: number | null;
}

export interface QuantileParams {
  /** For example .95. */
  quantile: number;
  /** The last good version's value of the same quantile. */
  baselineMs: number;
  /** Relative and absolute practical margin; both must be passed (default .25 and 5 ms). */
  marginRatio?: number;
  marginMs?: number;
  /** Intervals with fewer requests are unmeasured (default: 5 expected beyond the quantile, 100 for p95). */
  minCount?: number;
  rule?: SustainedRule;
}

/** JSON-serialisable, O(1). */
export interface QuantileState {
  sustained: SustainedState;
  atMs: number | null;
  /** Newest value, requests behind the run of breaches, and when that run began. */
  valueMs: number;
  samples: number;
  breachSinceMs: number | null;
  unmeasured: number;
}

export interface QuantileVerdictOptions {
  metric: string;
  tier: Tier;
  baseline: string;
  nowMs: number;
  staleMs: number;
}

/** Ranks between which the true quantile lies with `confidence` (order statistics, normal approximation). */
export function quantileRanks(q: number, count: number, confidence = 0.95): { low: number; high: number } {
  const half = count > 0 ? normalQuantile(1 - (1 - confidence) / 2) * Math.sqrt((q * (1 - q)) / count) : 1;
  return { low: Math.max(0, q - half), high: Math.min(1, q + half) };
}

/** The highest value that is still no breach. */
export function quantileLimitMs(params: QuantileParams): number {
  return params.baselineMs + Math.max(params.marginMs ?? 5, params.baselineMs * (params.marginRatio ?? 0.25));
}

export function initialQuantile(): QuantileState {
  return { sustained: initialSustained(), atMs: null, valueMs: 0, samples: 0, breachSinceMs: null, unmeasured: 0 };
}

/** Folds one interval. Too few requests, null and NaN are unmeasured: the rule's window stands still. */
export function stepQuantile(state: QuantileState, params: QuantileParams, row: QuantileRow): QuantileState {
  const minCount = params.minCount ?? Math.ceil(5 / (1 - params.quantile));
  const { count, valueMs, atMs } = row;
  if (
    valueMs === null ||
    count === null ||
    !(count >= minCount) ||
    !(valueMs >= 0) ||
    !Number.isFinite(valueMs + atMs)
  ) {
    return { ...state, unmeasured: state.unmeasured + 1 };
  }
  const rule = scoreRule(params);
  const low = row.lowMs ?? null;
  const decisive = low !== null && Number.isFinite(low) ? low : valueMs;
  const breach = decisive > quantileLimitMs(params);
  const sustained = stepSustained(state.sustained, rule, breach ? 1 : 0);
  const running = sustainedHits(sustained) > 0;
  return {
    sustained,
    atMs,
    valueMs,
    samples: breach ? state.samples + count : running ? state.samples : 0,
    breachSinceMs: running ? (state.breachSinceMs ?? atMs) : null,
    unmeasured: state.unmeasured,
  };
}

/** The verdict of a latency quantile against the last good one. */
export function assessQuantile(state: QuantileState, params: QuantileParams, options: QuantileVerdictOptions): Verdict {
  const rule = scoreRule(params);
  const limit = quantileLimitMs(params);
  const common = {
    tier: options.tier,
    metric: options.metric,
    unit: 'ms',
    baseline: options.baseline,
    expected: params.baselineMs,
    ucl: limit,
    statistic: {
      name: `intervals beyond the limit (of ${rule.window})`,
      value: sustainedHits(state.sustained),
      threshold: rule.needed,
      falseAlarmDays: null,
    },
  };
  if (state.atMs === null || options.nowMs - state.atMs > options.staleMs) {
    const sentence = `${options.metric}: no interval with enough requests`;
    return buildVerdict({ ...common, kind: 'unmeasured', sentence });
  }
  const name = `p${numberText(params.quantile * 100)}`;
  const text = `${name} is ${numberText(state.valueMs)} ms; its own history says ${numberText(params.baselineMs)} ms (limit ${numberText(limit)} ms)`;
  const seen = { ...common, observed: state.valueMs, samples: state.samples, sinceMs: state.breachSinceMs };
  if (!isSustained(state.sustained, rule)) {
    const enough = state.sustained.seen >= rule.needed;
    return buildVerdict({ ...seen, kind: enough ? 'ok' : 'inconclusive', sentence: text });
  }
  const since = state.breachSinceMs ?? state.atMs;
  return buildVerdict({
    ...seen,
    kind: 'degraded',
    onsetMs: since,
    onsetLowMs: null,
    onsetHighMs: state.atMs,
    sentence: `${text}, in ${sustainedHits(state.sustained)} of the last ${state.sustained.seen} intervals since ${clockText(since)}`,
  });
}

/** Breaches are scored 1 or 0; the limit is already in the value. */
function scoreRule(params: QuantileParams): SustainedRule {
  return { ...(params.rule ?? FAST_RULE), sigmas: 0.5 };
}
