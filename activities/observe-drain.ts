import type { ControlActivities } from '../workflows/contract/activities';
import type { TrafficRouter } from './ports';

/** Requests in flight and sessions pinned on a version. Read-only. */
export function observeDrain({ router }: { router: TrafficRouter }): ControlActivities['observeDrain'] {
  return async ({ service, version }) => await router.drained(service, version);
}
