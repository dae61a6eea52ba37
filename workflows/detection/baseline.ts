import { control } from '../proxies';
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

/** Asks for the baseline of whose history makes the limits now; null when the route moved on meanwhile. */
export async function freshBaseline(
  service: string,
  state: () => DetectionState,
): Promise<Partial<DetectionState> | null> {
  const { route, anchors, baselineOf } = state();
  if (!route) return null;
  const now = Date.now();
  const { judgedBy } = route;
  const kept = baselineOf === judgedBy ? anchors : {};
  const periods = goodPeriodsUntil(state(), now);
  const { detection: policy } = route.policy;
  const baseline = await control.computeBaseline.executeWithOptions({ summary: `history of ${judgedBy}` }, [
    { service, version: judgedBy, periods, anchorVersion: judgedBy, anchors: kept, policy },
  ]);
  if (state().route?.judgedBy !== judgedBy) return null;
  const warm = goodMs(periods, judgedBy) >= policy.minHistoryMs;
  const values = Object.entries(baseline.metrics).map(([name, { value }]) => [name, value] as const);
  return {
    baseline,
    baselineAt: now,
    baselineOf: judgedBy,
    anchors: warm && Object.keys(kept).length === 0 ? Object.fromEntries(values) : kept,
  };
}
