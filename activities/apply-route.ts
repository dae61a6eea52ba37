import { sameRoute } from '../domain/route';
import type { RouterActivities } from '../workflows/contract/activities';
import type { TrafficRouter } from './ports';

/** The router took the record and shows another one: the next attempt finds out which of the two holds. */
export class RouteMismatch extends Error {
  override readonly name = 'RouteMismatch';
}

/** Idempotent by the epoch: the same record again is success in the router. Reads back what it did. */
export function applyRoute({ router }: { router: TrafficRouter }): RouterActivities['applyRoute'] {
  return async (record) => {
    const applied = await router.apply(record);
    if (!applied.applied) return applied;
    const inForce = (await router.read(record.service)).record;
    // A higher one is the next decision, made in the meantime; it stands.
    if (inForce === null || (inForce.epoch <= record.epoch && !sameRoute(inForce, record))) {
      throw new RouteMismatch(`epoch ${record.epoch} was applied, in force is epoch ${inForce?.epoch ?? 'none'}`);
    }
    return applied;
  };
}
