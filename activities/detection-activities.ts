import type { ControlActivities, WatchActivities } from '../workflows/contract/activities';
import { assessShortWindow, type WindowPorts } from './assess-short-window';
import { assessTrend, type TrendPorts } from './assess-trend';
import { attributeCause, type AttributionPorts } from './attribute-cause';
import { computeBaseline, type BaselinePorts } from './compute-baseline';
import { guarded } from './failures';
import { guardLive, type LivePorts } from './guard-live';
import { guardStandby, type GuardPorts } from './guard-standby';
import { watchServing, type ServingPorts } from './watch-serving';
import { watchTelemetry, type WatchPorts } from './watch-telemetry';

export type DetectionPorts = WindowPorts & TrendPorts & BaselinePorts & AttributionPorts;
export type WatchQueuePorts = WatchPorts & GuardPorts & LivePorts & ServingPorts;

export type AssessmentActivities = Pick<
  ControlActivities,
  'assessShortWindow' | 'assessTrend' | 'computeBaseline' | 'attributeCause'
>;

/** For the controller's worker on the queue `lastgood-control`, beside the activities of the steps. */
export function detectionActivities(ports: DetectionPorts): AssessmentActivities {
  return guarded<AssessmentActivities>({
    assessShortWindow: assessShortWindow(ports),
    assessTrend: assessTrend(ports),
    computeBaseline: computeBaseline(ports),
    attributeCause: attributeCause(ports),
  });
}

/** For the controller's worker on the queue `lastgood-watch`. */
export function watchActivities(ports: WatchQueuePorts): WatchActivities {
  return guarded<WatchActivities>({
    watchTelemetry: watchTelemetry(ports),
    guardStandby: guardStandby(ports),
    guardLive: guardLive(ports),
    watchServing: watchServing(ports),
  });
}
