import { sameRoute } from '../route';
import type { ServiceEvent } from './events';
import { alertService, clock, usersNow } from './messages-for-people';
import type { Turn } from './turn';

/**
 * Compares the declared route with the one that the router has in force, whole records (I12). A lower observed epoch is
 * applied again; a higher one inside an open grant is a rollback at work; a higher one outside is an alarm, never a
 * repair. Never invents a record, never lowers an epoch.
 */
export function onRouteObserved(turn: Turn, { report }: Extract<ServiceEvent, { type: 'route-observed' }>): void {
  const { state } = turn;
  const { declared, operation } = state;
  const { observed } = report;
  if (!declared) return;
  importFallback(turn, observed.fallback);
  const epoch = observed.record?.epoch ?? 0;
  const inGrant = operation !== null && epoch >= operation.epochs.from && epoch <= operation.epochs.to;
  if (inGrant) return;
  if (observed.floor > declared.epoch && observed.floor >= state.nextEpoch) state.nextEpoch = observed.floor + 1;
  if (epoch < declared.epoch) {
    if (operation) return;
    const record = observed.floor > declared.epoch ? { ...declared, epoch: state.nextEpoch } : declared;
    if (record !== declared) {
      state.nextEpoch += 1;
      state.declared = record;
    }
    turn.record('reconciled', `the router is at epoch ${epoch}, declared is ${record.epoch}: applied again`, {
      observed: epoch,
    });
    turn.effect({ type: 'apply-route', record });
    return;
  }
  const foreign = epoch > declared.epoch || (observed.record !== null && !sameRoute(observed.record, declared));
  if (!foreign || state.foreign?.epoch === epoch) return;
  state.foreign = observed.record;
  const key = `foreign/${epoch}`;
  turn.record(
    'foreign-change',
    `the router has a record (epoch ${epoch}, ${observed.record?.primary ?? '?'}) that nobody here declared`,
    {
      observedEpoch: epoch,
      declaredEpoch: declared.epoch,
    },
  );
  state.pausedWhy = `the router has epoch ${epoch}, which lastgood did not declare`;
  alertService(turn, key, {
    severity: 'page',
    title: `${state.service}: the router was changed from outside`,
    wrong: `Epoch ${epoch} with primary ${observed.record?.primary ?? '?'} is in force; declared is epoch ${declared.epoch} with ${declared.primary}.`,
    did: 'Nothing was put back. lastgood is paused for this service.',
    users: usersNow(state),
    must: 'Find out who wrote to the router; then resume, which declares the present state anew.',
    command: `lastgood resume ${state.service} --reason '…'`,
  });
}

/** The router uses its fallback by itself; what it did is imported, the decision on it follows. */
function importFallback(
  turn: Turn,
  fallback: { version: string; since: number; epoch: number; reason: string } | null,
): void {
  const { state } = turn;
  if (!fallback) {
    if (state.fallbackInUse && !state.operation) state.fallbackInUse = null;
    return;
  }
  if (state.fallbackInUse?.since === fallback.since || fallback.epoch !== state.declared?.epoch) return;
  state.fallbackInUse = fallback;
  turn.record(
    'fallback-began',
    `the router serves by the fallback ${fallback.version} since ${clock(fallback.since)}: ${fallback.reason}`,
    {
      version: fallback.version,
      since: fallback.since,
      epoch: fallback.epoch,
    },
  );
}

/** The answer to an apply that the service itself asked for. */
export function onRouteApplied(turn: Turn, event: Extract<ServiceEvent, { type: 'route-applied' }>): void {
  const { state } = turn;
  if (event.applied || state.declared?.epoch !== event.epoch) return;
  turn.record('reconciled', `the router refused epoch ${event.epoch}: ${event.why}`, { epoch: event.epoch });
}

/** The child of the operation is silent: what it left is read from the router, and the operation ends as abandoned. */
export function onOperationAsked(turn: Turn, event: Extract<ServiceEvent, { type: 'operation-asked' }>): void {
  const { state, now } = turn;
  const { operation } = state;
  if (!operation || operation.id !== event.operation) return;
  if (event.running !== false) {
    state.operation = { ...operation, deadlineAt: now + 60_000 };
    return;
  }
  const { observed } = event;
  state.operation = null;
  const epoch = observed?.record?.epoch ?? null;
  const mine = epoch !== null && epoch >= operation.epochs.from && epoch <= operation.epochs.to;
  if (observed?.record && mine) {
    state.declared = observed.record;
    state.routedAt = now;
  }
  turn.record(
    'incident-ended',
    `${operation.id} was abandoned: its workflow is gone; the router is at epoch ${epoch ?? '?'} with ${observed?.record?.primary ?? '?'}`,
    { operation: operation.id, observedEpoch: epoch },
    { incident: operation.incident },
  );
  alertService(turn, `${operation.id}/abandoned`, {
    severity: 'page',
    title: `${state.service}: ${operation.kind} ${operation.id} is gone`,
    wrong: 'Its workflow does not run any more and never reported its end.',
    did: `Took the router's record as the truth: ${observed?.record?.primary ?? 'unknown'} serves.`,
    users: usersNow(state),
    must: 'Check that the right version serves; roll back by hand if not.',
    command: `lastgood status ${state.service}`,
  });
  state.incident = null;
}
