import type { ObservedRoute } from '../domain/route';
import type { ControlActivities } from '../workflows/contract/activities';
import type { TrafficRouter } from './ports';

/** The router's own word, for reconcile and for a shift whose answer was lost. Read-only. */
export function observeRoute({ router }: { router: TrafficRouter }): ControlActivities['observeRoute'] {
  return async (service) => await lookAtRouter(router, service);
}

/** Dated before it is asked: what began while it answered is not denied by the answer. */
export async function lookAtRouter(router: TrafficRouter, service: string): Promise<ObservedRoute> {
  const readAt = Date.now();
  const { record, floor, fallback, pinned } = await router.read(service);
  return { readAt, record, floor, fallback, pinned };
}
