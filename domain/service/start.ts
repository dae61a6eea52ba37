import { sameRoute } from '../route';
import type { ServiceEvent } from './events';
import { alertService, usersNow } from './messages-for-people';
import { learnVersions } from './standing';
import type { Turn } from './turn';

/**
 * A service workflow that starts without state: reads the last one from the ledger and the route from the router,
 * begins **above both epochs**, and stays paused with an alert when the two disagree or the ledger cannot be read.
 */
export function onStarted(turn: Turn, event: Extract<ServiceEvent, { type: 'started' }>): void {
  const { state, now } = turn;
  const { recovered, observed } = event;
  const seen = Math.max(recovered?.highestEpoch ?? 0, observed?.record?.epoch ?? 0, observed?.floor ?? 0);
  state.nextEpoch = Math.max(state.nextEpoch, seen + 1);
  if (recovered) {
    state.counters = {
      ...state.counters,
      ledger: recovered.seq,
      incident: recovered.incidentCounter,
      operation: recovered.seq,
      instance: recovered.seq,
    };
    state.versions = recovered.versions;
    state.cooldownUntil =
      recovered.cooldownUntil !== null && recovered.cooldownUntil > now ? recovered.cooldownUntil : null;
    state.breaker = recovered.breaker;
    state.consecutive = recovered.consecutive;
    state.mode = recovered.mode ?? state.mode;
    state.declared = recovered.route;
    state.routedAt = recovered.at;
  }
  learnVersions(turn, event.versions);
  const disagreement = disagreementOf(event);
  if (disagreement === null) {
    if (!state.declared && observed?.record) state.declared = observed.record;
    turn.record('service-started', recovered ? 'started again from ledger and router; they agree' : 'started', {
      nextEpoch: state.nextEpoch,
      openIncident: recovered?.openIncident ?? null,
    });
    return;
  }
  state.declared = observed?.record ?? state.declared;
  state.foreign = observed?.record ?? null;
  state.pausedWhy = disagreement;
  turn.record('service-started', `started again, and paused: ${disagreement}`, { nextEpoch: state.nextEpoch });
  alertService(turn, `started-paused/${state.nextEpoch}`, {
    severity: 'page',
    title: `${state.service}: lastgood started again and is paused`,
    wrong: disagreement,
    did: 'Nothing is moved; it only watches.',
    users: usersNow(state),
    must: 'Look at status and history, then resume.',
    command: `lastgood resume ${state.service} --reason '…'`,
  });
}

function disagreementOf({
  recovered,
  ledgerReadable,
  observed,
}: Extract<ServiceEvent, { type: 'started' }>): string | null {
  if (!ledgerReadable) return 'the ledger cannot be read';
  if (observed === null) return 'the router cannot be read';
  const route = recovered?.route ?? null;
  if (route === null)
    return recovered !== null && observed.record !== null ? 'the router has a route, the ledger has none' : null;
  if (observed.record === null)
    return `the ledger says ${route.primary} at epoch ${route.epoch}, the router has no route`;
  if (!sameRoute(route, observed.record))
    return `the ledger says ${route.primary} at epoch ${route.epoch}, the router has ${observed.record.primary} at epoch ${observed.record.epoch}`;
  return null;
}
