import type { ObservedRoute } from '../domain/route';
import type { ControlActivities } from '../workflows/contract/activities';
import type { TrafficRouter } from './ports';

/** It travels in histories and signals. */
const DIFFERING_MAX = 16;
const WHY_CHARS = 200;

/** The router's own word, for reconcile and for a shift whose answer was lost. Read-only. */
export function observeRoute({ router }: { router: TrafficRouter }): ControlActivities['observeRoute'] {
  return async (service) => await lookAtRouter(router, service);
}

/** Dated before it is asked: what began while it answered is not denied by the answer. */
export async function lookAtRouter(router: TrafficRouter, service: string): Promise<ObservedRoute> {
  const readAt = Date.now();
  const { record, floor, fallback, pinned, differing } = await router.read(service);
  const others = differing?.slice(0, DIFFERING_MAX).map(({ router: name, reached, record: other, why }) => ({
    router: name,
    reached,
    epoch: other?.epoch ?? null,
    why: why.slice(0, WHY_CHARS),
  }));
  return { readAt, record, floor, fallback, pinned, ...(others === undefined ? {} : { differing: others }) };
}
