import { sameRoute } from '../route';
import type { RouteRecord } from '../route';
import { startCooldown } from './brakes';
import { declare } from './declared-route';
import { UNWRITTEN_EPOCHS } from './epochs';
import type { ServiceEvent } from './events';
import { alertService, usersNow } from './messages-for-people';
import type { RecoveredState } from './recovery';
import { learnVersions } from './standing';
import type { Operation, ServiceState } from './state';
import { trafficMoved } from './traffic-moved';
import type { Turn } from './turn';

/**
 * A service workflow that starts without state: reads the last one from the ledger and the route from the router,
 * begins **above both epochs**, and stays paused with an alert when the two disagree or the ledger cannot be read.
 */
export function onStarted(turn: Turn, event: Extract<ServiceEvent, { type: 'started' }>): void {
  const { state, now } = turn;
  const { recovered, observed } = event;
  state.begunAt = now;
  const seen = Math.max(recovered?.highestEpoch ?? 0, observed?.record?.epoch ?? 0, observed?.floor ?? 0);
  const lost = recovered !== null || !event.ledgerReadable;
  state.nextEpoch = Math.max(state.nextEpoch, seen + 1 + (lost ? UNWRITTEN_EPOCHS : 0));
  if (lost) state.counters = countersAfterLoss(recovered?.incidentCounter ?? 0, now);
  if (recovered) takeOver(turn, recovered);
  // Only what was read may replace what the ledger says.
  if (event.ledgerReadable) turn.restate();
  else assumeTheWorst(turn);
  const adopted = state.operation;
  // Whatever an unknown child of the lost workflow still holds must not move the traffic besides us (I2).
  if (lost && !adopted) turn.effect({ type: 'fence', epoch: state.nextEpoch });
  if (adopted) catchUp(turn, adopted, observed?.record ?? null);
  // A store that could not be read says nothing about versions; it is asked again.
  if (event.versions.length === 0) turn.effect({ type: 'list-versions' });
  else learnVersions(turn, event.versions);
  const disagreement = disagreementOf(event, state.declared);
  if (disagreement === null) {
    if (!state.declared && observed?.record) state.declared = observed.record;
    turn.record('service-started', recovered ? 'started again from ledger and router; they agree' : 'started', {
      nextEpoch: state.nextEpoch,
      openIncident: recovered?.openIncident ?? null,
    });
    return;
  }
  if (observed?.record) declare(turn, observed.record, now);
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

/**
 * What the operation did to the route while nobody listened. Its own entries may have told the ledger of the shift
 * already; the standing of the version that was left is still to be set.
 */
function catchUp(turn: Turn, operation: Operation, observed: RouteRecord | null): void {
  const { state, now } = turn;
  const { declared } = state;
  const record = (observed?.epoch ?? 0) > (declared?.epoch ?? 0) ? observed : declared;
  const mine = (declared?.epoch ?? 0) >= operation.epochs.from && (declared?.epoch ?? 0) <= operation.epochs.to;
  if (mine && !operation.shifted) state.declared = null;
  if (record) trafficMoved(turn, operation, record, now, 'read at the start');
  state.declared ??= declared;
}

function takeOver(turn: Turn, recovered: RecoveredState): void {
  const { state, now } = turn;
  state.versions = recovered.versions;
  state.cooldownUntil =
    recovered.cooldownUntil !== null && recovered.cooldownUntil > now ? recovered.cooldownUntil : null;
  state.breaker = recovered.breaker;
  state.consecutive = recovered.consecutive;
  state.mode = recovered.mode ?? state.mode;
  state.declared = recovered.route;
  state.routedAt = recovered.at;
  state.bake = recovered.bake ?? null;
  state.pausedUntil = recovered.pausedUntil ?? null;
  // Asked at once: reports of the time without a service workflow are lost.
  state.operation = recovered.operation ? { ...recovered.operation, deadlineAt: now } : null;
  const { incident } = recovered;
  const goesOn = incident && (incident.id === state.operation?.incident || incident.phase === 'confirming');
  state.incident = goesOn ? incident : null;
  state.confirming = state.incident?.phase === 'confirming' ? (recovered.confirming ?? null) : null;
  const fallback = recovered.route?.fallback;
  const named = fallback === undefined ? undefined : recovered.route?.backends[fallback]?.[0];
  const standby = recovered.standby ?? (fallback !== undefined && named ? { version: fallback, backend: named } : null);
  // It runs; whether it still holds its proof is for the guard to say.
  if (standby)
    state.standby = { ...standby, proof: 'unproven', proofAt: null, failedAt: null, why: 'found at the start' };
}

/** Whatever the brakes were, a person who resumes without a ledger does not get an unbraked machine. */
function assumeTheWorst(turn: Turn): void {
  const { state } = turn;
  state.consecutive = Math.max(0, state.policy.breaker.consecutiveRollbacks - 1);
  startCooldown(turn, 'started without a readable ledger');
}

/**
 * Names that were given but not written down must not be given again: a ledger key with other content is a fault, an
 * operation id a second time is refused by the durable engine. Counters go on from the time, which no counter overtakes.
 */
function countersAfterLoss(incidents: number, now: number): ServiceState['counters'] {
  const seconds = Math.floor(now / 1000);
  return { ledger: now, operation: seconds, instance: seconds, incident: incidents + (seconds % 86_400) };
}

function disagreementOf(
  { recovered, ledgerReadable, observed }: Extract<ServiceEvent, { type: 'started' }>,
  route: RouteRecord | null,
): string | null {
  if (!ledgerReadable) return 'the ledger cannot be read';
  if (observed === null) return 'the router cannot be read';
  if (route === null)
    return recovered !== null && observed.record !== null ? 'the router has a route, the ledger has none' : null;
  if (observed.record === null)
    return `the ledger says ${route.primary} at epoch ${route.epoch}, the router has no route`;
  if (!sameRoute(route, observed.record))
    return `the ledger says ${route.primary} at epoch ${route.epoch}, the router has ${observed.record.primary} at epoch ${observed.record.epoch}`;
  return null;
}
