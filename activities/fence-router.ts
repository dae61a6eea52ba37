import type { RouterActivities } from '../workflows/contract/activities';
import type { TrafficRouter } from './ports';

/** Idempotent: a floor only rises. Its answer is the floor in force, as the router has it. */
export function fenceRouter({ router }: { router: TrafficRouter }): RouterActivities['fenceRouter'] {
  return async ({ service, epoch }) => ({ floor: await router.fence(service, epoch) });
}
