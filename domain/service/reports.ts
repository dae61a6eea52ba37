import type { OperationOutcome, StepReport } from '../rollback/operation';
import { countRollback, holdMove, startCooldown } from './brakes';
import { endIncident } from './incident';
import { alertIncident, alertService, clock, duration, usersNow } from './messages-for-people';
import { reportDeadline } from './operations';
import { adoptStandby, retire } from './standby-keeping';
import { changeVersion, setStanding } from './standing';
import type { Incident, Operation, ServiceState } from './state';
import type { Turn } from './turn';

/** A report of the operation in flight; one of another operation, or one that came before, changes nothing. */
export function onStepReport(turn: Turn, report: StepReport): void {
  const { operation } = turn.state;
  if (!operation || operation.id !== report.operation || report.no <= operation.lastNo) return;
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

function began(turn: Turn, at: number, what: What<'began'>): void {
  update(turn, {
    step: what.step,
    version: what.version,
    waiting: null,
    deadlineAt: reportDeadline(turn.now, what.deadlineAt),
  });
  if (what.step === 'shift') turn.updateIncident({ preparedAt: at });
}

function succeeded(turn: Turn, what: What<'succeeded'>): void {
  const facts = turn.state.versions.find(({ version }) => version === what.version);
  if (what.step === 'probe' && facts?.standing === 'candidate')
    setStanding(turn, what.version, 'validated', 'evaluation meets the policy, its probes passed in its runtime');
}

function dropped(turn: Turn, what: What<'dropped'>): void {
  const { state } = turn;
  if (state.incident)
    turn.updateIncident({ dropped: [...state.incident.dropped, what.version].slice(-10), target: what.next });
  const wrong = `${what.version} failed at ${what.step}: ${what.why}`;
  const lines = {
    severity: what.next === null ? ('page' as const) : ('ticket' as const),
    title: `${state.service}: candidate ${what.version} dropped`,
    did: what.next === null ? 'No candidate is left.' : `Goes on with ${what.next}.`,
    users: usersNow(state),
    must: what.next === null ? 'Choose what shall serve.' : 'Nothing now; look at the candidate later.',
  };
  if (state.incident) alertIncident(turn, `dropped/${what.version}`, { ...state.incident, sentence: wrong }, lines);
  else alertService(turn, `${state.operation?.id ?? ''}/dropped/${what.version}`, { ...lines, wrong, command: null });
}

function shifted(turn: Turn, at: number, what: What<'shifted'>): void {
  const { state } = turn;
  const { operation } = state;
  if (!operation) return;
  const left = operation.from;
  const target = what.record.primary;
  state.declared = what.record;
  state.routedAt = at;
  state.fallbackInUse = null;
  state.nextEpoch = Math.max(state.nextEpoch, what.record.epoch + 1);
  update(turn, { shifted: true });
  turn.updateIncident({ shiftedAt: at, target });
  changeVersion(turn, target, {
    deployedAt: operation.kind === 'deploy' ? at : (factsOf(state, target)?.deployedAt ?? at),
  });
  if (target === left) {
    turn.record('traffic-shifted', `the traffic is back on ${target}`, { epoch: what.record.epoch });
    return;
  }
  const judgedGood = !state.degradations.some(({ version }) => version === left);
  if (operation.kind === 'deploy') {
    if (judgedGood && left !== '') changeVersion(turn, left, { lastGoodAt: turn.now });
  } else if (operation.kind !== 'hold-move') {
    const byModel = state.incident?.attribution === 'model' && operation.kind === 'rollback';
    setStanding(turn, left, byModel ? 'quarantined' : 'suspect', `rolled back from, ${operation.reason}`);
    turn.annotate(left, `rolled back from at ${clock(at)}: ${operation.reason}`);
  }
  // What was measured on the version that was left says nothing of the one that serves now.
  state.degradations = state.degradations.filter(({ version }) => version === target);
  state.bake = null;
  turn.record('traffic-shifted', `new requests go to ${target} since ${clock(at)}`, {
    from: left,
    to: target,
    epoch: what.record.epoch,
    note: what.note,
  });
}

function factsOf(state: ServiceState, version: string): ServiceState['versions'][number] | undefined {
  return state.versions.find((facts) => facts.version === version);
}

function waiting(turn: Turn, what: What<'waiting'>): void {
  const { state } = turn;
  update(turn, { waiting: what.why, step: what.step, deadlineAt: Number.MAX_SAFE_INTEGER });
  turn.updateIncident({ phase: 'waiting-for-human' });
  turn.record('waiting-for-human', `${what.step}: ${what.why}; the traffic is on ${what.primary}`, { step: what.step });
  const id = state.operation?.incident ?? state.operation?.id ?? '';
  const lines = {
    severity: 'page' as const,
    title: `${state.service}: ${state.operation?.kind ?? 'operation'} ${id} waits for a person`,
    did: `Stopped at ${what.step}: ${what.why}. The traffic is on ${what.primary}.`,
    users: usersNow(state),
    must: 'Say how to go on: retry, choose a version, accept what is, or abort.',
    command: `lastgood intervene ${id} retry|choose|accept|abort --reason '…'`,
  };
  if (state.incident) alertIncident(turn, `waiting/${what.step}`, state.incident, lines);
  else alertService(turn, `${id}/waiting/${what.step}`, { ...lines, wrong: what.why });
}

function ended(turn: Turn, at: number, what: What<'ended'>): void {
  const { state } = turn;
  const { operation } = state;
  if (!operation) return;
  state.operation = null;
  if (what.record) state.declared = what.record;
  if (operation.kind === 'deploy') deployEnded(turn, operation, what);
  else rollbackEnded(turn, operation, at, what);
  keepOrRetire(turn, operation, what);
}

/** Copies that the operation leaves idle: a fitting one becomes the standby, the kept one stays, the rest is retired. */
function keepOrRetire(turn: Turn, operation: Operation, what: What<'ended'>): void {
  const { state } = turn;
  for (const { version, instance } of what.idle) {
    const kept = state.confirming?.keep?.instance === instance || state.standby?.backend.instance === instance;
    const serving = Object.values(state.declared?.backends ?? {}).some((backends) =>
      backends.some((backend) => backend.instance === instance),
    );
    // The hold move that this end began may choose the very copy.
    const wanted = state.operation?.candidates.includes(version) ?? false;
    if (!wanted && !kept && !(serving && version === state.declared?.primary))
      retire(turn, version, instance, `${operation.id} left it idle`);
  }
}

function deployEnded(turn: Turn, operation: Operation, what: What<'ended'>): void {
  const { state, now } = turn;
  const version = what.record?.primary ?? operation.candidates[0] ?? '';
  if (what.outcome !== 'settled' || version === operation.from) {
    turn.record('deploy-refused', `${operation.id} ${what.outcome}: ${what.why}`, {}, { incident: null });
    return;
  }
  const previous = operation.from;
  turn.record(
    'deploy-settled',
    `${version} is live${previous ? `; ${previous} stays warm and its limits judge it for ${duration(state.policy.bakeMs)}` : ''}`,
    { verified: what.why },
  );
  if (previous === '') return;
  state.bake = { version, previous, since: now, until: now + state.policy.bakeMs };
  const backend = state.declared?.backends[previous]?.[0] ?? null;
  const older = state.standby;
  if (backend && state.policy.standby.keepWarm) {
    if (older && older.backend.instance !== backend.instance) {
      state.standby = null;
      retire(turn, older.version, older.backend.instance, `${previous} is the standby now`);
    }
    adoptStandby(turn, previous, backend, `live until ${version} took over`);
  }
}

function rollbackEnded(turn: Turn, operation: Operation, at: number, what: What<'ended'>): void {
  const { state } = turn;
  const { incident } = state;
  if (what.outcome === 'cancelled') {
    turn.record('incident-ended', `${operation.id} was stopped: ${what.why}`, {}, { incident: operation.incident });
    reopenDegradations(turn);
    state.incident = null;
    return;
  }
  const settled = what.outcome === 'settled';
  if (settled) settle(turn, operation, incident, at, what);
  else turn.record('incident-ended', `${operation.id} failed: ${what.why}`, {}, { incident: operation.incident });
  const opened = countRollback(turn, operation);
  if (settled && operation.kind === 'rollback') startCooldown(turn, `${operation.id} settled`);
  if (opened && incident) holdMove(turn, state.incident ?? incident);
  else if (!settled) state.incident = null;
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
  if (state.standby?.version === target) state.standby = null;
  const left = what.idle.find(({ version }) => version === operation.from) ?? null;
  if (!incident) {
    if (left) retire(turn, left.version, left.instance, 'a person rolled back from it');
    return;
  }
  state.confirming = {
    incident: incident.id,
    metric: incident.metric,
    from: at,
    until: now + state.policy.verify.confirmMs,
    measured: false,
    alerted: false,
    keep: left ?? state.confirming?.keep ?? null,
  };
  alertIncident(turn, 'settled', state.incident ?? incident, {
    severity: 'page',
    title: `${state.service}: rolled back from ${operation.from} to ${target}`,
    did: `Rolled back in ${duration(at - incident.detectedAt)} after it was noticed${what.verified?.byProbesOnly ? '; there was no traffic, the probes decided' : ''}.`,
    users: `served by ${target} again${exposure !== null ? `; exposed for ${duration(exposure)}` : ''}`,
    must: 'Nothing until morning. It confirms by itself on the metric that fired; then find out what was wrong with the version.',
  });
}

/** After a cancelled rollback a degradation that still stands may be decided again, by a person or after new evidence. */
function reopenDegradations(turn: Turn): void {
  turn.state.degradations = turn.state.degradations.map((entry) =>
    entry.decided === 'acted'
      ? { ...entry, decided: 'refused' as const, heldBy: 'a person stopped the rollback' }
      : entry,
  );
}

/** Confirm is over: the metric that fired was measured and is good; the copy that was kept may go. */
export function confirmIncident(turn: Turn): void {
  const { confirming, incident } = turn.state;
  if (!confirming || !incident) return;
  turn.record('confirmed', `${confirming.metric} is good again on ${turn.state.declared?.primary ?? '?'}`, {
    metric: confirming.metric,
  });
  const { keep } = confirming;
  endIncident(turn, 'settled and confirmed');
  if (keep) retire(turn, keep.version, keep.instance, 'the rollback from it is confirmed');
}
