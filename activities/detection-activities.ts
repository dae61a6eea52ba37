import type { WatchActivities } from '../workflows/contract/activities';
import { guarded } from './failures';
import { guardStandby, type GuardPorts } from './guard-standby';
import { watchTelemetry, type WatchPorts } from './watch-telemetry';

export type { GuardPorts, WatchPorts };

/** For the controller's worker on the queue `lastgood-watch`. */
export function watchActivities(ports: WatchPorts & GuardPorts): WatchActivities {
  return guarded<WatchActivities>({
    watchTelemetry: watchTelemetry(ports),
    guardStandby: guardStandby(ports),
  });
}
