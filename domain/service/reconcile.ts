import { instanceOn } from '../hosts';
import { instanceName, sameRoute } from '../route';
import type { FallbackInUse, ObservedRoute, RouteRecord } from '../route';
import { countRollback, holdMove } from './brakes';
import { declare, FALLBACK_DEGRADATION, withdrawShare } from './declared-route';
import { onDrillRefused } from './drills';
import type { ServiceEvent } from './events';
import { learnServing } from './foreign-changes';
import { endIncident } from './incident';
import { alertService, clock, usersNow } from './messages-for-people';
import { UNWRITTEN_EPOCHS } from './epochs';
import { giveUpBehind, leaveIncident, releaseCopies } from './operation-ended';
import type { StandingDegradation } from './state';
import { bringTogether } from './routers-apart';
import { trafficMoved } from './traffic-moved';
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
  if (observed.serving) learnServing(turn, observed.serving);
  // Every grant was or will be fenced by this floor, also those of a service workflow that was lost.
  state.nextEpoch = Math.max(state.nextEpoch, observed.floor);
  if (!declared) return observed.record && !operation ? foreignRecord(turn, observed.record) : undefined;
  importFallback(turn, observed);
  const epoch = observed.record?.epoch ?? 0;
  bringTogether(turn, observed);
  const inGrant = operation !== null && epoch >= operation.epochs.from && epoch <= operation.epochs.to;
  if (inGrant) return;
  if (epoch < declared.epoch) {
    // Its child is about to write; only while it waits for a person, nobody else brings the record back.
    if (operation && operation.waiting === null) return;
    const record = observed.floor > declared.epoch ? { ...declared, epoch: state.nextEpoch } : declared;
    if (record !== declared) declare(turn, record, turn.now);
    turn.record('reconciled', `the router is at epoch ${epoch}, declared is ${record.epoch}: applied again`, {
      observed: epoch,
    });
    turn.effect({ type: 'apply-route', record });
    return;
  }
  const { record } = observed;
  if (record !== null && (epoch > declared.epoch || !sameRoute(record, declared))) foreignRecord(turn, record);
}

/** A record that nobody here declared: an alarm, never a repair; whatever is declared later begins above it. */
function foreignRecord(turn: Turn, record: RouteRecord): void {
  const { state } = turn;
  const { declared } = state;
  const { epoch, primary } = record;
  if (state.foreign && sameRoute(state.foreign, record)) return;
  state.foreign = record;
  // Where nothing was declared neither ledger nor router could be read at the start: grants may be unknown.
  state.nextEpoch = Math.max(state.nextEpoch, epoch + 1 + (declared === null ? UNWRITTEN_EPOCHS : 0));
  turn.record('foreign-change', `the router has a record (epoch ${epoch}, ${primary}) that nobody here declared`, {
    observedEpoch: epoch,
    declaredEpoch: declared?.epoch ?? null,
  });
  state.pausedWhy = `the router has epoch ${epoch}, which lastgood did not declare`;
  const expected = declared ? `declared is epoch ${declared.epoch} with ${declared.primary}` : 'nothing is declared';
  alertService(turn, `foreign/${epoch}`, {
    severity: 'page',
    title: `${state.service}: the router was changed from outside`,
    wrong: `Epoch ${epoch} with primary ${primary} is in force; ${expected}.`,
    did: 'Nothing was put back. lastgood is paused for this service.',
    users: usersNow(state),
    must: 'Find out who wrote to the router; then resume, which declares the present state anew.',
    command: `lastgood resume ${state.service} --reason '…'`,
  });
}

/** The router uses its fallback by itself; what it did is imported, the decision on it follows. */
function importFallback(turn: Turn, { fallback, readAt, differing = [] }: ObservedRoute): void {
  const { state } = turn;
  if (!fallback) {
    // A look from before it began, told late, does not end it: that would take the fallback away from its users.
    const older = readAt !== undefined && state.fallbackInUse !== null && readAt <= state.fallbackInUse.since;
    // Of several routers one that was not heard may be the one that is on it (I10).
    const unheard = differing.some(({ reached }) => !reached);
    if (state.fallbackInUse && !state.operation && !older && !unheard) fallbackOver(turn);
    return;
  }
  if (state.fallbackInUse?.since === fallback.since || fallback.epoch !== state.declared?.epoch) return;
  state.fallbackInUse = fallback;
  turn.record(
    'fallback-began',
    `the router serves by the fallback ${fallback.version} since ${clock(fallback.since)}: ${fallback.reason}`.slice(
      0,
      900,
    ),
    { version: fallback.version, since: fallback.since, epoch: fallback.epoch },
  );
  state.degradations = [...state.degradations, deadPrimary(state.declared, fallback, turn.now)].slice(-20);
}

/** The router is back on its primary without a new record: a person restarted it, or its state was lost. */
function fallbackOver(turn: Turn): void {
  const { state } = turn;
  turn.record('reconciled', 'the router serves by its primary again', {});
  state.fallbackInUse = null;
  state.degradations = state.degradations.filter(({ id }) => !id.startsWith(FALLBACK_DEGRADATION));
  if (state.incident?.phase === 'on-fallback') endIncident(turn, 'the router left its fallback by itself');
}

/**
 * The durable decision follows the traffic that has moved already, whether or not any telemetry says so: nobody answers
 * requests on the primary any more, so nothing there can be measured. Why it died is not known.
 */
function deadPrimary(declared: RouteRecord, fallback: FallbackInUse, now: number): StandingDegradation {
  return {
    id: `${FALLBACK_DEGRADATION}${fallback.epoch}/${fallback.since}`,
    epoch: declared.epoch,
    version: declared.primary,
    verdict: {
      kind: 'degraded',
      tier: 'immediate',
      metric: 'availability',
      hard: true,
      observed: 0,
      expected: 1,
      ucl: null,
      lcl: null,
      unit: 'ratio',
      samples: 1,
      sinceMs: fallback.since,
      onsetMs: fallback.since,
      onsetLowMs: null,
      onsetHighMs: null,
      statistic: { name: 'fallback', value: 1, threshold: 1, falseAlarmDays: null },
      sentence:
        `no copy of ${declared.primary} answered since ${clock(fallback.since)}: ${fallback.reason}; ` +
        `the router serves by ${fallback.version}`.slice(0, 600),
      baseline: 'a copy that answers',
    },
    attribution: 'undetermined',
    reasons: [`the router could not reach ${declared.primary}: ${fallback.reason}`.slice(0, 300)],
    suppressed: false,
    reportedAt: now,
    decided: 'open',
    heldBy: null,
  };
}

/** The answer to an apply that the service itself asked for. */
export function onRouteApplied(turn: Turn, event: Extract<ServiceEvent, { type: 'route-applied' }>): void {
  const { state } = turn;
  if (event.applied || state.declared?.epoch !== event.epoch) return;
  turn.record('reconciled', `the router refused epoch ${event.epoch}: ${event.why}`, { epoch: event.epoch });
  onDrillRefused(turn, event.epoch, event.why);
}

/** The child of the operation is silent: what it left is read from the router, and the operation ends as abandoned. */
export function onOperationAsked(turn: Turn, event: Extract<ServiceEvent, { type: 'operation-asked' }>): void {
  const { state, now } = turn;
  const { operation, incident } = state;
  if (!operation || operation.id !== event.operation) return;
  if (event.running !== false) {
    const again = operation.waiting === null ? 60_000 : 60 * 60_000;
    state.operation = { ...operation, deadlineAt: now + again };
    return;
  }
  const { observed } = event;
  const epoch = observed?.record?.epoch ?? null;
  if (observed?.record)
    trafficMoved(turn, operation, observed.record, now, 'read from the router, its workflow is gone');
  const moved = state.operation?.shifted ?? false;
  state.operation = null;
  withdrawShare(turn, operation.id);
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
  giveUpBehind(turn, operation, 'its rollback was abandoned');
  if (state.incident?.id === operation.incident) leaveIncident(turn);
  // It moved the users and never settled: the brakes count it as failed, or it could go on without an end.
  const opened = moved && countRollback(turn, operation);
  if (opened && incident?.id === operation.incident) holdMove(turn, incident);
  const { service, policy } = state;
  const namesOf = (version: string): string[] =>
    policy.replicas?.hosts.map((host) => instanceOn(service, version, operation.id, host)) ?? [
      instanceName(service, version, operation.id),
    ];
  const copies = operation.candidates.flatMap((version) => namesOf(version).map((instance) => ({ version, instance })));
  releaseCopies(turn, operation, copies);
}
