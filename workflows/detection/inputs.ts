import { isCancellation } from '@temporalio/workflow';
import type { AssessmentInput, StandingVerdict, WatchInput } from '../contract/activities';
import { chartsOfNextVersion } from '../contract/charts';
import type { DetectionState, StandingEntry } from '../contract/inputs';
import type { RouteChanged } from '../contract/signals';
import { control } from '../proxies';
import { explains } from './explaining';

/** A watch without news comes back so often; while an incident waits for its confirmation the service needs readings. */
const WATCH_RETURN_MS = 15 * 60_000;
const WATCH_RETURN_CONFIRMING_MS = 60_000;

/**
 * Options of a call that watches: after how long without a sign of life it is begun anew, where not by its own preset;
 * `patience` times as long where nobody waits for it.
 */
export function watching(
  { policy }: RouteChanged,
  summary: string,
  patience = 1,
): { summary: string; heartbeatTimeout?: number } {
  const { signOfLifeMs } = policy.detection;
  return signOfLifeMs === undefined ? { summary } : { summary, heartbeatTimeout: patience * signOfLifeMs };
}

export function watchInputOf(service: string, state: DetectionState): WatchInput | null {
  const { route, baseline } = state;
  if (!route || !baseline) return null;
  return {
    service,
    version: route.version,
    model: route.model,
    epoch: route.epoch,
    routedAt: route.routedAt,
    deployedAt: route.deployedAt,
    ...(route.copies?.[0] && { copy: route.copies[0].instance }),
    standby: previousOf(route),
    cursor: state.cursor,
    charts: state.watchCharts,
    standing: standingOf(state),
    baseline,
    policy: route.policy.detection,
    returnAfterMs: route.confirming ? WATCH_RETURN_CONFIRMING_MS : WATCH_RETURN_MS,
  };
}

export function assessmentInputOf(
  service: string,
  state: DetectionState,
  charts: AssessmentInput['charts'],
  now: number,
): AssessmentInput | null {
  const { route, baseline } = state;
  if (!route || !baseline) return null;
  return {
    service,
    version: route.version,
    epoch: route.epoch,
    routedAt: route.routedAt,
    ...(route.bakeUntil !== null && { baking: true }),
    now,
    charts,
    standing: standingOf(state),
    baseline,
    policy: route.policy.detection,
  };
}

/** The cause of a verdict of the slower tiers; undetermined where it could not be asked. */
export async function causeOf(
  service: string,
  { verdict, version, cause }: StandingEntry,
  route: RouteChanged,
  { standing, windowCharts }: Pick<DetectionState, 'standing' | 'windowCharts'>,
): Promise<NonNullable<StandingEntry['cause']>> {
  const explaining = standing.find((one) => explains(one, { verdict, version, cause }));
  try {
    return await control.attributeCause.executeWithOptions({ summary: verdict.metric }, [
      {
        service,
        verdict,
        version,
        previous: previousOf(route),
        model: route.model,
        deployedAt: route.deployedAt,
        replay: route.policy.detection.replay,
        ...(explaining && { explainedBy: explaining.verdict.metric }),
        windowCharts: chartsOfNextVersion(windowCharts),
        now: Date.now(),
      },
    ]);
  } catch (error) {
    if (isCancellation(error)) throw error;
    return { attribution: 'undetermined', reasons: ['the cause could not be asked'] };
  }
}

/** What a running watch was started with that a new route may change. The epoch is not: it only returns with a news. */
export function watched(route: RouteChanged): string {
  const { version, policy, standby, confirming, copies } = route;
  const named = [standby?.backend.instance ?? null, copies?.[0]?.instance ?? null];
  return JSON.stringify([version, policy.detection, ...named, confirming !== null]);
}

export function guarded({ standby, policy, incarnation }: RouteChanged): string {
  return JSON.stringify([standby?.backend.instance ?? null, policy.standby.proofIntervalMs, incarnation]);
}

function previousOf({ standby }: RouteChanged): WatchInput['standby'] {
  return standby ? { ...standby.backend, version: standby.version } : null;
}

function standingOf(state: DetectionState): StandingVerdict[] {
  return state.standing.map(({ endsWith, verdict }) => ({ id: endsWith, verdict }));
}
