import type { GoodPeriod } from '../contract/activities';
import type { DetectionState } from '../contract/inputs';

const PERIODS_MAX = 20;
/** Shorter ones say nothing, unless the policy is content with less; neighbours that are closer than this become one. */
const SHORTEST_MS = 60_000;

type Kept = Pick<DetectionState, 'goodPeriods' | 'goodSince'>;

/**
 * True while what is measured may become the history that limits are made of: the version was not just deployed, nothing
 * stands against it, and everything is as usual.
 */
export function isGood(state: DetectionState): boolean {
  const { route } = state;
  return (
    route !== null &&
    route.bakeUntil === null &&
    !route.inIncident &&
    route.drill === null &&
    !state.onFallback &&
    state.unmeasuredSince === null &&
    state.standing.length === 0
  );
}

/** Opens or closes the running good period. One that a degradation ends is cut at its onset, not at the alarm. */
export function keepGoodPeriods(state: DetectionState, now: number, version: string | null): Kept {
  const { goodPeriods, goodSince } = state;
  const stays = isGood(state) && version === state.route?.version;
  if (stays) return { goodPeriods, goodSince: goodSince ?? now };
  if (goodSince === null || version === null) return { goodPeriods, goodSince: null };
  const onsets = state.standing.map(({ verdict }) => verdict.onsetLowMs ?? verdict.onsetMs ?? now);
  const to = Math.min(now, ...onsets);
  return { goodPeriods: withPeriod(goodPeriods, { version, from: goodSince, to }, shortestMs(state)), goodSince: null };
}

/** All good periods up to now, the running one included. */
export function goodPeriodsUntil(state: DetectionState, now: number): readonly GoodPeriod[] {
  const { goodPeriods, goodSince, route } = state;
  if (goodSince === null || route === null) return goodPeriods;
  return withPeriod(goodPeriods, { version: route.version, from: goodSince, to: now }, shortestMs(state));
}

function shortestMs({ route }: DetectionState): number {
  return Math.min(SHORTEST_MS, route?.policy.detection.minHistoryMs ?? SHORTEST_MS);
}

function withPeriod(periods: readonly GoodPeriod[], period: GoodPeriod, shortest: number): readonly GoodPeriod[] {
  if (period.to - period.from < shortest) return periods;
  const last = periods[periods.length - 1];
  if (last && last.version === period.version && period.from - last.to < shortest)
    return [...periods.slice(0, -1), { ...last, to: period.to }];
  return [...periods, period].slice(-PERIODS_MAX);
}

/** Length of the known good history of a version. */
export function goodMs(periods: readonly GoodPeriod[], version: string): number {
  return periods.reduce((sum, period) => sum + (period.version === version ? period.to - period.from : 0), 0);
}
