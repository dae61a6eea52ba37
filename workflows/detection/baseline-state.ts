import type { Baseline, BaselineInput } from '../contract/activities';
import type { DetectionState } from '../contract/inputs';
import { goodMs, goodPeriodsUntil } from './good-periods';

const BASELINE_EVERY_MS = 6 * 3_600_000;
/** A baseline that found nothing to read is not asked again at once. */
const BASELINE_AGAIN_MS = 60_000;

/** At another version's history, at the end of a warm-up, and every six hours. */
export function baselineIsDue(state: DetectionState, now: number): boolean {
  const { route, baseline, baselineAt, baselineOf } = state;
  if (!route) return false;
  if (!baseline || baselineOf !== route.judgedBy) return true;
  if (now - baselineAt >= BASELINE_EVERY_MS) return true;
  const { minHistoryMs } = route.policy.detection;
  if (now - baselineAt < Math.max(minHistoryMs, BASELINE_AGAIN_MS)) return false;
  const known = goodMs(baseline.periods, route.judgedBy);
  return known < minHistoryMs && goodMs(goodPeriodsUntil(state, now), route.judgedBy) >= minHistoryMs;
}

/** The question for the history of whose limits are in force now; null without a route. */
export function baselineQuestion(service: string, state: DetectionState, now: number): BaselineInput | null {
  const { route, anchors, baselineOf } = state;
  if (!route) return null;
  const { judgedBy } = route;
  return {
    service,
    version: judgedBy,
    periods: goodPeriodsUntil(state, now),
    anchorVersion: judgedBy,
    anchors: baselineOf === judgedBy ? anchors : {},
    policy: route.policy.detection,
  };
}

/** The answer in the state; the first warm one makes the anchors. */
export function withBaseline(
  { version, periods, anchors, policy }: BaselineInput,
  baseline: Baseline,
  now: number,
): Partial<DetectionState> {
  const warm = goodMs(periods, version) >= policy.minHistoryMs;
  const values = Object.entries(baseline.metrics).map(([name, { value }]) => [name, value] as const);
  return {
    baseline,
    baselineAt: now,
    baselineOf: version,
    anchors: warm && Object.keys(anchors).length === 0 ? Object.fromEntries(values) : anchors,
  };
}
