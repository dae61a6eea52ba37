/** `needed` of the last `window` points beyond `sigmas`. */
export interface SustainedRule {
  needed: number;
  window: number;
  sigmas: number;
}

export const FAST_RULE: SustainedRule = { needed: 4, window: 5, sigmas: 3 };
export const SLOW_RULE: SustainedRule = { needed: 12, window: 15, sigmas: 2 };

/** The history is one integer of bits. */
const MAX_WINDOW = 30;

/** JSON-serialisable, O(1): newest point in the lowest bit of `hits`. */
export interface SustainedState {
  hits: number;
  seen: number;
}

export function initialSustained(): SustainedState {
  return { hits: 0, seen: 0 };
}

/**
 * Widens a rule for a lag-1 correlation rho: n correlated points carry the information of n (1-rho)/(1+rho)
 * independent ones, so window and needed grow by the inverse; the share stays. At most 30 points.
 */
export function widenRule(rule: SustainedRule, rho: number): SustainedRule {
  const bounded = Math.max(0, Math.min(0.95, Number.isFinite(rho) ? rho : 0));
  const window = Math.min(MAX_WINDOW, Math.round((rule.window * (1 + bounded)) / (1 - bounded)));
  return { ...rule, window, needed: Math.ceil((rule.needed / rule.window) * window) };
}

/** Folds one score (sigmas in the harmful direction). null and NaN are unmeasured: the window stands still. */
export function stepSustained(state: SustainedState, rule: SustainedRule, score: number | null): SustainedState {
  if (score === null || Number.isNaN(score)) return state;
  const mask = 2 ** Math.min(MAX_WINDOW, rule.window) - 1;
  const hit = score >= rule.sigmas ? 1 : 0;
  return { hits: ((state.hits << 1) | hit) & mask, seen: Math.min(rule.window, state.seen + 1) };
}

export function sustainedHits(state: SustainedState): number {
  let count = 0;
  for (let bits = state.hits; bits > 0; bits >>= 1) count += bits & 1;
  return count;
}

/** True when enough of the window is beyond the limit. */
export function isSustained(state: SustainedState, rule: SustainedRule): boolean {
  return sustainedHits(state) >= rule.needed;
}
