import type { DrillActivities } from '../workflows/contract/drill';
import type { DrillRequests } from './ports';

/** Idempotent by the request's id, which the service remembers with its answer. */
export function requestDrill({ requests }: { requests: DrillRequests }): DrillActivities['requestDrill'] {
  return async ({ service, requestId, request }) => await requests.ask(service, requestId, request);
}
