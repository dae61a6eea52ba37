import type { StepReport } from '../rollback/operation';
import { learnLoadTime } from './gap';
import { alertIncident, alertService, usersNow } from './messages-for-people';
import { reportDeadline } from './operations';
import { giveUpAttempt, isOwnRevival } from './revival';
import { tellLeftOut } from './replicas';
import { setStanding } from './standing';
import { trafficMoved } from './traffic-moved';
import type { Incident, Operation, ServiceState } from './state';
import type { Turn } from './turn';
import { operationEnded, ownIncident } from './operation-ended';

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
      return operationEnded(turn, report.at, what);
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
  if (what.leftOut) tellLeftOut(turn, what.leftOut, 'HostUnreachable: no worker took the load in time');
  learnLoadTime(turn, what.step, what.ms);
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
