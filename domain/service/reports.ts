import type { OperationOutcome, StepReport } from '../rollback/operation';
import { countRollback, holdMove, startCooldown } from './brakes';
import { withdrawShare } from './declared-route';
import { endIncident, endWhereNothingStands, mark } from './incident';
import { alertIncident, alertService, duration, usersNow } from './messages-for-people';
import { reportDeadline } from './operations';
import { blockedBy } from './readiness';
import { retire } from './retiring';
import { giveUpAttempt, isOwnRevival, isRevival, revivalEnded } from './revival';
import { adoptStandby } from './standby-keeping';
import { setStanding } from './standing';
import { trafficMoved } from './traffic-moved';
import type { Incident, Operation, ServiceState } from './state';
import type { Turn } from './turn';

/** While an operation waits for a person, its child is looked after this often. */
const WAITING_LOOK_MS = 60 * 60_000;

/** A report of the operation in flight; one of another operation, or one that came before, changes nothing. */
export function onStepReport(turn: Turn, report: StepReport): void {
  const { operation } = turn.state;
  if (!operation || operation.id !== report.operation) return;
  if (report.no <= operation.lastNo) {
    // Overtaken by a later report: that the traffic moved is news all the same.
    if (report.what.type === 'shifted') shifted(turn, report.at, report.what);
    return;
  }
  turn.state.operation = { ...operation, lastNo: report.no, deadlineAt: reportDeadline(turn.now, 0) };
  const { what } = report;
  switch (what.type) {
    case 'began':
      return began(turn, report.at, what);
    case 'succeeded':
      return succeeded(turn, what);
    case 'dropped':
      return dropped(turn, what);
    case 'shifted':
      return shifted(turn, report.at, what);
    case 'waiting':
      return waiting(turn, what);
    case 'ended':
      return ended(turn, report.at, what);
  }
}

type What<T extends StepReport['what']['type']> = Extract<StepReport['what'], { type: T }>;

function update(turn: Turn, change: Partial<Operation>): void {
  if (turn.state.operation) turn.state.operation = { ...turn.state.operation, ...change };
}

/** A deploy may run while an older incident waits for its confirmation; only the operation's own incident follows it. */
function updateOwnIncident(turn: Turn, change: Partial<Incident>): void {
  if (ownIncident(turn.state, turn.state.operation)) turn.updateIncident(change);
}

function ownIncident(state: ServiceState, operation: Operation | null): Incident | null {
  return operation && operation.incident !== null && state.incident?.id === operation.incident ? state.incident : null;
}

function began(turn: Turn, at: number, what: What<'began'>): void {
  update(turn, {
    step: what.step,
    version: what.version,
    waiting: null,
    deadlineAt: reportDeadline(turn.now, what.deadlineAt),
  });
  if (what.step === 'shift') updateOwnIncident(turn, { preparedAt: at });
}

function succeeded(turn: Turn, what: What<'succeeded'>): void {
  const facts = turn.state.versions.find(({ version }) => version === what.version);
  if (what.step === 'probe' && facts?.standing === 'candidate')
    setStanding(turn, what.version, 'validated', 'evaluation meets the policy, its probes passed in its runtime');
}

function dropped(turn: Turn, what: What<'dropped'>): void {
  const { state } = turn;
  const incident = ownIncident(state, state.operation);
  if (incident) turn.updateIncident({ dropped: [...incident.dropped, what.version].slice(-10), target: what.next });
  if (state.operation && isOwnRevival(state.operation)) return;
  const wrong = `${what.version} failed at ${what.step}: ${what.why}`.slice(0, 600);
  const id = state.operation?.incident ?? state.operation?.id ?? '';
  const lines = {
    severity: what.next === null ? ('page' as const) : ('ticket' as const),
    title: `${state.service}: candidate ${what.version} dropped`,
    did: what.next === null ? 'No candidate is left.' : `Goes on with ${what.next}.`,
    users: usersNow(state),
    must: what.next === null ? 'Choose what shall serve.' : 'Nothing now; look at the candidate later.',
    command:
      what.next === null
        ? `lastgood intervene ${id} choose --target VERSION --service ${state.service} --reason '…'`
        : `lastgood artifacts verify ${state.service}@${what.version}`,
  };
  const key = attemptKey(state, `dropped/${what.version}`);
  if (incident) alertIncident(turn, key, { ...incident, sentence: wrong, onsetAt: null }, lines);
  else alertService(turn, key, { ...lines, wrong });
}

function shifted(turn: Turn, at: number, what: What<'shifted'>): void {
  const { operation } = turn.state;
  if (operation) trafficMoved(turn, operation, what.record, what.at ?? at, what.note);
}

function waiting(turn: Turn, what: What<'waiting'>): void {
  const { state } = turn;
  if (state.operation && isOwnRevival(state.operation))
    return giveUpAttempt(turn, state.operation, what.step, what.why);
  const why = what.why.slice(0, 300);
  // The first one may have been on its way when the child was asked, and told it again.
  const known = state.operation?.waiting === why && state.operation.step === what.step;
  // A person has all the time they want; whether the child still waits for them is looked at all the same.
  update(turn, { waiting: why, step: what.step, deadlineAt: turn.now + WAITING_LOOK_MS });
  if (known) return;
  updateOwnIncident(turn, { phase: 'waiting-for-human' });
  turn.record('waiting-for-human', `${what.step}: ${what.why}; the traffic is on ${what.primary}`, {
    step: what.step,
    operation: state.operation?.id ?? null,
  });
  const id = state.operation?.incident ?? state.operation?.id ?? '';
  const lines = {
    severity: 'page' as const,
    title: `${state.service}: ${state.operation?.kind ?? 'operation'} ${id} waits for a person`,
    did: `Stopped at ${what.step}: ${what.why}. The traffic is on ${what.primary}.`,
    users: usersNow(state),
    must: 'Say how to go on: retry, choose a version, accept what is, or abort.',
    command: `lastgood intervene ${id} retry --service ${state.service} --reason '…'`,
  };
  const incident = ownIncident(state, state.operation);
  const key = attemptKey(state, `waiting/${what.step}`);
  if (incident) alertIncident(turn, key, incident, lines);
  else alertService(turn, key, { ...lines, wrong: what.why });
}

/** What fails again after a person's order, or in the next operation of an incident, is news: it must not be muted. */
function attemptKey({ operation, incident }: ServiceState, what: string): string {
  const orders = operation?.orders ?? 0;
  const first = operation?.id === incident?.id;
  return `${first ? '' : `${operation?.id ?? ''}/`}${what}${orders > 0 ? `/${orders}` : ''}`;
}

function ended(turn: Turn, at: number, what: What<'ended'>): void {
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

function deployEnded(turn: Turn, operation: Operation, what: What<'ended'>): void {
  const { state } = turn;
  const revival = isRevival(operation);
  if (revival && state.declared?.primary === operation.from) revivalEnded(turn, operation, what.outcome, what.why);
  else newVersionEnded(turn, operation, what);
  // What ended while it was in flight had nobody to end its incident.
  if (revival) endWhereNothingStands(turn, `nothing stands any more after ${operation.id}`);
}

function newVersionEnded(turn: Turn, operation: Operation, what: What<'ended'>): void {
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
  // Nothing is kept warm of what was left because no copy of it ran any more.
  const warm = !isRevival(operation);
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
  if (!backend || !state.policy.standby.keepWarm) return;
  const older = state.standby;
  if (older?.backend.instance === backend.instance) return;
  state.standby = null;
  if (older) retire(turn, older.version, older.backend.instance, `${from} is the standby now`);
  adoptStandby(turn, from, backend, `live until ${route?.primary ?? 'another version'} took over`);
}

function rollbackEnded(turn: Turn, operation: Operation, at: number, what: What<'ended'>): void {
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
  if (opened && incident) holdMove(turn, state.incident ?? incident);
  else if (!settled) forget();
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

function settle(turn: Turn, operation: Operation, incident: Incident | null, at: number, what: What<'ended'>): void {
  const { state, now } = turn;
  const target = state.declared?.primary ?? '';
  if (incident) turn.updateIncident({ phase: 'confirming', settledAt: at, target });
  const exposure =
    incident && incident.onsetAt !== null && incident.shiftedAt !== null ? incident.shiftedAt - incident.onsetAt : null;
  turn.record(
    'settled',
    `rolled back from ${operation.from} to ${target}${exposure !== null ? `; users were exposed for ${duration(exposure)}` : ''}`,
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
    title: `${state.service}: rolled back from ${operation.from} to ${target}`,
    did: `Rolled back in ${duration(at - incident.detectedAt)} after it was noticed${what.verified?.byProbesOnly ? '; there was no traffic, the probes decided' : ''}.`,
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
