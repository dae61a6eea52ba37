import type { ControlActivities } from '../workflows/contract/activities';
import type { TrafficRouter } from './ports';

/** The router's own word, for reconcile and for a shift whose answer was lost. Read-only. */
export function observeRoute({ router }: { router: TrafficRouter }): ControlActivities['observeRoute'] {
  return async (service) => {
    const { record, floor, fallback, pinned } = await router.read(service);
    return { record, floor, fallback, pinned };
  };
}
