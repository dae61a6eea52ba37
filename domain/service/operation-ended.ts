import type { OperationOutcome, StepReport } from '../rollback/operation';
import { countRollback, holdMove, startCooldown } from './brakes';
import { withdrawShare } from './declared-route';
import { endIncident, endWhereNothingStands, mark } from './incident';
import { alertIncident, duration, usersNow } from './messages-for-people';
import { blockedBy } from './readiness';
import { retire } from './retiring';
import { isRevival, revivalEnded } from './revival';
import { adoptStandby } from './standby-keeping';
import { trafficMoved } from './traffic-moved';
import type { Incident, Operation, ServiceState } from './state';
import type { Turn } from './turn';

const RULES_WITH_ACCEPTED = 3;

type Ended = Extract<StepReport['what'], { type: 'ended' }>;

/** The operation in flight is over: what it leaves, and what follows from how it ended. */
export function operationEnded(turn: Turn, at: number, what: Ended): void {
  const { state } = turn;
  const { record } = what;
  // The report of the last shift may have been lost with a service workflow; the end names what is in force.
  if (state.operation && record)
    trafficMoved(turn, state.operation, record, at, 'learned from the end of the operation');
  const { operation } = state;
  if (!operation) return;
  state.operation = null;
  withdrawShare(turn, operation.id);
  if (operation.kind === 'deploy') deployEnded(turn, operation, what);
  else rollbackEnded(turn, operation, at, what);
  releaseCopies(turn, operation, what.idle);
}

function deployEnded(turn: Turn, operation: Operation, what: Ended): void {
  const { state } = turn;
  const revival = isRevival(operation);
  if (revival && state.declared?.primary === operation.from) revivalEnded(turn, operation, what.outcome, what.why);
  else newVersionEnded(turn, operation, what);
  // What ended while it was in flight had nobody to end its incident.
  if (revival) endWhereNothingStands(turn, `nothing stands any more after ${operation.id}`);
}

function newVersionEnded(turn: Turn, operation: Operation, what: Ended): void {
  const { state, now } = turn;
  const version = state.declared?.primary ?? operation.candidates[0] ?? '';
  if (what.outcome !== 'settled' || version === operation.from) {
    turn.record(
      'deploy-refused',
      `${operation.id} ${what.outcome}: ${what.why}; ${version} serves`,
      {},
      { incident: null },
    );
    return;
  }
  const previous = operation.from;
  // Nothing is kept warm of what was left because no copy of it runs any more.
  const warm = !isRevival(operation) && state.policy.swap === undefined;
  const limits = `its limits judge it for ${duration(state.policy.bakeMs)}`;
  turn.record(
    'deploy-settled',
    `${version} is live${previous ? `; ${previous}${warm ? ' stays warm and' : ':'} ${limits}` : ''}`,
    { verified: what.why.slice(0, 500) },
  );
  if (state.incident?.phase === 'confirming') endIncident(turn, `${version} was deployed before it was confirmed`);
  if (previous === '') return;
  state.bake = { version, previous, since: now, until: now + state.policy.bakeMs };
  if (warm) keepPrevious(turn, operation);
}

/** The previous version's copy is the standby of the bake period; the one before it is not needed any more. */
function keepPrevious(turn: Turn, operation: Operation): void {
  const { state } = turn;
  const { route, from } = { route: state.declared, from: operation.from };
  const backend = route?.backends[from]?.[0];
  if (!backend || !state.policy.standby.keepWarm || state.policy.swap !== undefined) return;
  const older = state.standby;
  if (older?.backend.instance === backend.instance) return;
  state.standby = null;
  if (older) retire(turn, older.version, older.backend.instance, `${from} is the standby now`);
  adoptStandby(turn, from, backend, `live until ${route?.primary ?? 'another version'} took over`);
}

function rollbackEnded(turn: Turn, operation: Operation, at: number, what: Ended): void {
  const { state } = turn;
  const incident = ownIncident(state, operation);
  const forget = (): void => {
    if (incident && state.incident?.id === incident.id) leaveIncident(turn);
  };
  if (what.outcome === 'cancelled') {
    turn.record('incident-ended', `${operation.id} was stopped: ${what.why}`, {}, { incident: operation.incident });
    if (operation.stopping === null) stoppedUnasked(turn, operation, incident, what.why);
    else giveUpBehind(turn, operation, 'the rollback was stopped');
    return forget();
  }
  // Accepted as it is before anything moved: nothing was settled, and a second try would ask the same person again.
  const settled = what.outcome === 'settled' && state.declared?.primary !== operation.from;
  if (settled) settle(turn, operation, incident, at, what);
  else {
    turn.record('incident-ended', `${operation.id} failed: ${what.why}`, {}, { incident: operation.incident });
    giveUpBehind(turn, operation, 'the rollback failed');
  }
  const opened = countRollback(turn, operation);
  if (settled && operation.kind === 'rollback') startCooldown(turn, `${operation.id} settled`);
  if (acceptedAfterWayBack(state, operation, what)) startCooldown(turn, `a person accepts how ${operation.id} ended`);
  if (opened && incident) holdMove(turn, state.incident ?? incident);
  else if (!settled) forget();
}

/**
 * There and back again, and a person said that it may stay so: the next verdict on the same version must not move the
 * users a third time within minutes (rules 3).
 */
function acceptedAfterWayBack(state: ServiceState, operation: Operation, { outcome }: Ended): boolean {
  if (state.rules < RULES_WITH_ACCEPTED || outcome !== 'settled') return false;
  return operation.kind === 'rollback' && operation.shifted && state.declared?.primary === operation.from;
}

/**
 * The operation of the open incident is over without having settled. Where the incident's first move did settle, and only
 * its hold move did not, the confirmation of the first goes on: nobody else would end it and release the kept copy.
 */
export function leaveIncident(turn: Turn): void {
  const { state } = turn;
  if (state.incident && state.confirming?.incident === state.incident.id) turn.updateIncident({ phase: 'confirming' });
  else state.incident = null;
}

/**
 * Nobody here ordered the stop: a pause, an open breaker, or a newer record met the last look before the shift. What holds
 * now is said by `decide`, and ends; where nothing does, a person is told, and the machine does not try in a circle.
 */
function stoppedUnasked(turn: Turn, operation: Operation, incident: Incident | null, why: string): void {
  const { state } = turn;
  const hold = operation.kind === 'hold-move';
  const blocked = blockedBy(state, turn.now) !== null;
  if (!blocked) giveUpBehind(turn, operation, `the rollback was stopped: ${why}`.slice(0, 300));
  else for (const { id, decided } of state.degradations) if (decided === 'acted') mark(turn, id, 'open', null);
  // The breaker of a hold move is always open, and often no verdict stands behind it; people were told that it moves.
  if (!incident || (blocked && !hold)) return;
  alertIncident(turn, hold ? 'hold-stopped' : 'stopped', incident, {
    severity: 'page',
    title: `${state.service}: ${operation.kind} ${operation.id} was stopped and nothing was moved`,
    did: `Stopped before the shift: ${why}. ${state.declared?.primary ?? 'Nobody'} still serves.`,
    users: usersNow(state),
    must: 'Decide now: roll back by hand, or leave it as it is.',
    command: `lastgood rollback ${state.service}${hold ? ` --to ${operation.candidates[0] ?? 'VERSION'}` : ''} --reason '…'`,
  });
}

function settle(turn: Turn, operation: Operation, incident: Incident | null, at: number, what: Ended): void {
  const { state, now } = turn;
  const target = state.declared?.primary ?? '';
  if (incident) turn.updateIncident({ phase: 'confirming', settledAt: at, target });
  // Its users were restored by the move before it; nobody judged what the hold move leaves.
  const exposure =
    operation.kind !== 'hold-move' && incident && incident.onsetAt !== null && incident.shiftedAt !== null
      ? incident.shiftedAt - incident.onsetAt
      : null;
  turn.record(
    'settled',
    `${operation.kind === 'hold-move' ? 'moved on' : 'rolled back'} from ${operation.from} to ${target}${exposure !== null ? `; users were exposed for ${duration(exposure)}` : ''}`,
    {
      from: operation.from,
      to: target,
      outcome: what.outcome satisfies OperationOutcome,
      verified: what.verified ? { ...what.verified } : null,
      onsetAt: incident?.onsetAt ?? null,
      detectedAt: incident?.detectedAt ?? null,
      decidedAt: incident?.decidedAt ?? null,
      preparedAt: incident?.preparedAt ?? null,
      shiftedAt: incident?.shiftedAt ?? null,
      settledAt: at,
      tier: incident?.tier ?? null,
      cause: incident?.attribution ?? 'operator',
      ...(operation.kind === 'hold-move' ? { holdMove: true } : {}),
    },
    { incident: operation.incident },
  );
  if (!incident) return;
  const left = operation.left.find(({ version }) => version === operation.from) ?? null;
  const before = state.confirming?.keep ?? null;
  state.confirming = {
    incident: incident.id,
    metric: incident.metric,
    from: at,
    until: now + state.policy.verify.confirmMs,
    measured: false,
    alerted: false,
    keep: left ?? before,
  };
  if (before && left)
    retire(turn, before.version, before.instance, `${left.version} is kept until the move is confirmed`);
  alertIncident(turn, 'settled', state.incident ?? incident, {
    severity: 'ticket',
    title: `${state.service}: ${operation.kind === 'hold-move' ? 'moved on' : 'rolled back'} from ${operation.from} to ${target}`,
    did: `${operation.kind === 'hold-move' ? 'Held on the version that a person vouched for' : 'Rolled back'} in ${duration(at - incident.detectedAt)} after it was noticed${what.verified?.byProbesOnly ? '; there was no traffic, the probes decided' : ''}.`,
    users: `served by ${target} again${exposure !== null ? `; exposed for ${duration(exposure)}` : ''}`,
    must: 'Nothing until morning. It confirms by itself on the metric that fired; then find out what was wrong with the version.',
  });
}

/** After a rollback that did not happen, a degradation that still stands is for a person to decide. */
export function giveUpDegradations(turn: Turn, why: string): void {
  turn.state.degradations = turn.state.degradations.map((entry) =>
    entry.decided === 'acted' ? { ...entry, decided: 'refused' as const, heldBy: why } : entry,
  );
}

/**
 * The same for everything that stood behind an operation that ended so: a second verdict on the same version must not undo
 * what a person ordered, nor try once more what failed. One that is harder than the reason of the operation is a new story.
 */
export function giveUpBehind(turn: Turn, operation: Operation, why: string): void {
  const hard = ownIncident(turn.state, operation)?.hard ?? false;
  giveUpDegradations(turn, why);
  if (operation.kind === 'deploy') return;
  for (const { id, version, decided, verdict } of turn.state.degradations)
    if (version === operation.from && (decided === 'open' || decided === 'held') && (hard || !verdict.hard))
      mark(turn, id, 'refused', why);
}

/** Copies that an operation leaves: what serves, the standby and the kept one stay, a new operation takes over, the rest is retired. */
export function releaseCopies(
  turn: Turn,
  operation: Operation,
  idle: readonly { readonly version: string; readonly instance: string }[],
): void {
  const { state } = turn;
  for (const copy of [...idle, ...operation.left]) {
    if (state.operation) {
      // The hold move that this end began may choose the very copy.
      if (!state.operation.left.some(({ instance }) => instance === copy.instance))
        state.operation = { ...state.operation, left: [...state.operation.left, copy].slice(-10) };
    } else retire(turn, copy.version, copy.instance, `${operation.id} left it idle`);
  }
}

/**
 * Confirm is over: the metric that fired was measured and is good; the copy that was kept may go. Not while a hold move of
 * the same incident is under way: it needs the incident, and is confirmed itself.
 */
export function confirmIncident(turn: Turn): void {
  const { confirming, incident } = turn.state;
  if (!confirming || incident?.phase !== 'confirming') return;
  turn.record('confirmed', `${confirming.metric} is good again on ${turn.state.declared?.primary ?? '?'}`, {
    metric: confirming.metric,
  });
  endIncident(turn, 'settled and confirmed');
}

export function ownIncident(state: ServiceState, operation: Operation | null): Incident | null {
  return operation && operation.incident !== null && state.incident?.id === operation.incident ? state.incident : null;
}
