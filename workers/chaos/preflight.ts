import type { ServiceFacts } from './world';

/** Why no experiment may be made on the service now; null when it may. */
export function refusalOf(state: ServiceFacts | null): string | null {
  if (state === null) return 'the service workflow does not answer: what its state is nobody knows';
  const { breaker, operation, incident, pausedWhy, declared } = state;
  if (breaker.open)
    return `the breaker is open since incident ${breaker.incident ?? '?'}: a person has not said yet that it may go on`;
  if (operation !== null) return `${operation.kind} ${operation.id} is in flight (step ${operation.step})`;
  if (incident !== null && incident.phase !== 'ended')
    return `incident ${incident.id} is open (${incident.phase}): its users have had enough`;
  if (pausedWhy !== null) return `the service is paused: ${pausedWhy}`;
  if (declared === null) return 'nothing is live yet';
  return null;
}
