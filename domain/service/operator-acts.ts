import type { Actor } from '../ledger';
import { candidateOf, nobodyMayServe, rankCandidates, type Ranking } from '../rollback/candidates';
import { considered } from '../rollback/considered';
import { hasFigures } from '../rollback/order';
import { procedureFor } from '../rollback/plan';
import type { Procedure } from '../rollback/plan';
import { answeredBefore, remember } from './answered-requests';
import { startCooldown } from './brakes';
import { check } from './check';
import { declare } from './declared-route';
import { detach } from './detach';
import { drillWords, interruptDrill, startDrill, tellRefusedDrill } from './drills';
import { expectedGap, gapWords, planFor } from './gap';
import { itemsOf } from './items';
import { endIncident } from './incident';
import { intervene, startRollback, wouldComeToNothing, type Outcome } from './interventions';
import { unverifiedActor } from './messages';
import type { Answer, OperatorMessage } from './messages';
import { duration } from './messages-for-people';
import { fenceOperation, startOperation, type OperationRequest } from './operations';
import { giveUpDegradations } from './operation-ended';
import { changeVersion, setStanding, tellUnknownMinimum } from './standing';
import type { ServiceState } from './state';
import type { Turn } from './turn';
import { releaseHeld, reopen } from './verdicts';

/** A decision on a message, for its sender; the same request a second time is answered, not done again. */
export function onMessage(turn: Turn, message: OperatorMessage): Answer {
  const { state, now } = turn;
  const before = answeredBefore(state, message.requestId);
  if (before) return before;
  const verdict = check(state, message, now);
  const answer = (decision: Answer['decision'], why: string, plan: readonly string[] = []): Answer => ({
    requestId: message.requestId,
    decision,
    why,
    reference: turn.state.operation?.id ?? turn.state.incident?.id ?? null,
    repeated: false,
    plan,
  });
  if (message.dryRun) {
    const why = verdict.ok ? wouldComeToNothing(state, message, now) : verdict.why;
    return why === null
      ? answer('planned', 'it would be accepted', planOf(state, message, now))
      : answer('refused', why);
  }
  const actor = message.actor ?? unverifiedActor;
  if (!verdict.ok) {
    turn.record(
      'refused',
      `${message.name} by ${actor.name} refused: ${verdict.why}`,
      { reason: message.reason },
      { actor },
    );
    if (message.name === 'drill') tellRefusedDrill(turn, actor, verdict.why);
    // What anybody can send must not push out what was signed: it is answered once, and need not be known.
    if (state.rules < 3 || actor.proof !== 'unverified') remember(turn, message.requestId, 'r');
    return answer('refused', verdict.why);
  }
  if (message.second)
    turn.record(
      'operator-act',
      `${message.name} by ${actor.name}, seconded by ${message.second.name}: ${message.reason}`,
      { act: message.name, second: { ...message.second } },
      { actor },
    );
  const outcome = act(turn, message, actor);
  // What moved nothing is no success for its sender; that it was tried stands in the ledger all the same.
  const moved = typeof outcome === 'string';
  remember(turn, message.requestId, moved ? 'a' : 'r');
  return moved ? answer('accepted', outcome) : answer('refused', outcome.cameToNothing);
}

/** What a rollback or deploy would do now, one line a step. */
function planOf(state: ServiceState, message: OperatorMessage, now: number): string[] {
  if (message.name === 'drill') return [drillWords({ version: state.declared?.primary ?? '?', ...message })];
  const target = message.name === 'rollback' ? message.to : message.name === 'deploy' ? message.version : undefined;
  if (message.name !== 'rollback' && message.name !== 'deploy') return [`${message.name}: ${message.reason}`];
  const { candidates, refused } = candidatesFor(state, target, now);
  const first = candidates[0];
  const procedure = procedureOf(message.name, (first?.warm ?? null) !== null);
  const gap = expectedGap(state);
  const items = message.name === 'rollback' ? itemsOf(state, state.incident) : undefined;
  const steps = planFor(state, procedure, state.samples, items);
  return [
    `from ${state.declared?.primary ?? 'nothing'} to ${first?.version ?? 'nobody'} (${procedure})`,
    ...(hasFigures(state) && first ? [`${first.version}: ${first.why}`] : []),
    ...(gap ? [gapWords(gap)] : []),
    ...steps.map(({ step, deadlineMs, because }) => `${step}, at most ${duration(deadlineMs)}: ${because}`),
    ...candidates.slice(1).map(({ version, why }) => `then ${version}: ${why}`),
    ...refused.slice(0, 20).map(({ version, why }) => `not ${version}: ${why}`),
  ];
}

function candidatesFor(
  state: ServiceState,
  target: string | undefined,
  now: number,
): Pick<Ranking, 'candidates' | 'refused'> {
  if (target === undefined) return rankCandidates(state, now);
  const facts = state.versions.find(({ version }) => version === target);
  return { candidates: facts ? [candidateOf(state, facts, 'named by a person', now)] : [], refused: [] };
}

/** What a person should see of the others when one was named: all figures are those of the machine's own order. */
function figuresFor(state: ServiceState, now: number, facts: OperationRequest['facts']): OperationRequest['facts'] {
  return considered(state, rankCandidates(state, now), now, facts);
}

function procedureOf(kind: 'rollback' | 'deploy', warm: boolean): Procedure {
  return kind === 'rollback' ? procedureFor('immediate', warm) : 'standard';
}

function act(turn: Turn, message: OperatorMessage, actor: Actor): Outcome {
  const { state, now } = turn;
  const note = (summary: string): void =>
    turn.record('operator-act', `${summary}, by ${actor.name}: ${message.reason}`, { act: message.name }, { actor });
  switch (message.name) {
    case 'rollback':
      return rollBack(turn, message.to, message.reason, actor);
    case 'deploy':
      return deploy(turn, message.version, message.reason, actor);
    case 'drill':
      return startDrill(turn, message, actor);
    case 'clearBreaker':
      state.breaker = { ...state.breaker, open: false };
      state.consecutive = 0;
      turn.record(
        'breaker-cleared',
        `cleared by ${actor.name}: ${message.reason}`,
        { breakerEpoch: message.breakerEpoch },
        { actor },
      );
      // The incident that opened it waited for this; what still stands is decided when the cooldown is over.
      if (state.operation === null && state.incident?.phase === 'waiting-for-human')
        endIncident(turn, `${actor.name} cleared the breaker`);
      reopen(turn);
      startCooldown(turn, 'the breaker was cleared');
      return `the breaker is closed; cooldown for ${duration(state.policy.cooldownMs)}`;
    case 'approve':
      note(`${message.decision} of incident ${message.incident}`);
      if (message.decision === 'approve') return startRollback(turn, actor.name);
      endIncident(turn, `denied by ${actor.name}`);
      giveUpDegradations(turn, `denied by ${actor.name}`);
      return 'nothing is moved';
    case 'intervene':
      return intervene(turn, message, note);
    case 'cancel':
      note('cancel');
      if (state.operation) {
        fenceOperation(turn, `cancelled by ${actor.name}`);
        return 'it is being stopped';
      }
      if (state.drill) {
        interruptDrill(turn, `cancelled by ${actor.name}: ${message.reason}`);
        return 'the drill is over';
      }
      state.queued = null;
      return 'the queued deploy is taken back';
    case 'pause':
      note(`pause for ${duration(message.forMs)}`);
      state.pausedUntil = now + message.forMs;
      return `paused until ${new Date(state.pausedUntil).toISOString()}; lastgood goes on watching`;
    case 'resume':
      note('resume');
      return resume(turn);
    case 'vouch':
      note(`vouches for ${message.version}`);
      changeVersion(turn, message.version, { human: { by: actor.name, at: now } });
      return `${message.version} is human-validated`;
    case 'revoke':
      note(`revokes ${message.version}`);
      setStanding(turn, message.version, 'revoked', `by ${actor.name}: ${message.reason}`);
      return message.version === state.declared?.primary
        ? `${message.version} is revoked; it is live: roll back now`
        : `${message.version} is revoked for good`;
    case 'clearQuarantine':
      note(`clears the quarantine of ${message.version}`);
      setStanding(turn, message.version, 'candidate', `cleared by ${actor.name}: ${message.reason}`);
      return `${message.version} may be chosen again after new probes`;
    case 'setMode':
      note(`mode ${message.mode}`);
      state.mode = message.mode;
      reopen(turn);
      return `the mode is ${message.mode}`;
    case 'detach':
      return detach(turn, message, actor);
    case 'configure':
      return configure(turn, message);
  }
}

function rollBack(turn: Turn, to: string | undefined, reason: string, actor: Actor): Outcome {
  const { state, now } = turn;
  const { candidates, refused } = candidatesFor(state, to, now);
  const first = candidates[0];
  if (!first) {
    const reasons = refused.slice(0, 10).map(({ version, why }) => `${version}: ${why}`);
    turn.record('rollback-refused', `no version may take the traffic`, { refused: reasons }, { actor });
    return { cameToNothing: nobodyMayServe(refused) };
  }
  const procedure = procedureOf('rollback', first.warm !== null);
  const overrides = [
    state.breaker.open ? 'the open breaker' : '',
    state.cooldownUntil !== null ? 'the cooldown' : '',
  ].filter(Boolean);
  const facts = { overrides, refused: refused.slice(0, 10).map(({ version, why }) => `${version}: ${why}`) };
  const figures = figuresFor(state, now, facts);
  const items = itemsOf(state, state.incident);
  if (state.incident) endIncident(turn, `${actor.name} rolls back by hand`);
  giveUpDegradations(turn, `${actor.name} rolled back by hand`);
  startOperation(turn, {
    id: turn.nextOperationId('manual'),
    kind: 'manual-rollback',
    incident: null,
    procedure,
    plan: planFor(state, procedure, state.samples, items),
    candidates,
    actor,
    reason,
    summary: `${actor.name} rolls back from ${state.declared?.primary ?? '?'} to ${first.version}: ${reason}`,
    facts: { ...facts, ...figures },
    entry: 'rollback-decided',
    ledgerDown: 'proceed',
    ...(items && { items }),
  });
  return `rolls back to ${first.version} (${procedure})`;
}

export function deploy(turn: Turn, version: string, reason: string, actor: Actor): string {
  const { state, now } = turn;
  if (state.operation) {
    state.queued = { version, actor, reason };
    turn.record(
      'operator-act',
      `${actor.name} queues the deploy of ${version} after ${state.operation.id}`,
      {},
      { actor },
    );
    return `queued after ${state.operation.id}`;
  }
  const { candidates } = candidatesFor(state, version, now);
  startOperation(turn, {
    id: turn.nextOperationId('deploy'),
    kind: 'deploy',
    incident: null,
    procedure: 'standard',
    plan: planFor(state, 'standard', false),
    candidates,
    actor,
    reason,
    summary: `${actor.name} deploys ${version}${state.declared ? ` over ${state.declared.primary}` : ''}: ${reason}`,
    facts: {},
    entry: 'deploy-decided',
    ledgerDown: 'hold',
  });
  return `deploys ${version}`;
}

function resume(turn: Turn): string {
  const { state } = turn;
  state.pausedUntil = null;
  if (state.pausedWhy !== null) {
    const { foreign } = state;
    if (foreign && foreign.epoch >= (state.declared?.epoch ?? 0)) {
      // The router's record is taken as the truth and declared anew, above every epoch that was seen.
      const epoch = Math.max(state.nextEpoch, foreign.epoch + 1);
      // A fallback is named by a proof of ours, never by somebody else's record.
      const { fallback: _named, detached: _left, ...rest } = foreign;
      const record = { ...rest, epoch };
      declare(turn, record, turn.now);
      turn.record('route-declared', `takes the router's record as the truth: ${record.primary}`, { epoch });
      turn.effect({ type: 'apply-route', record });
    }
    state.foreign = null;
    state.pausedWhy = null;
  }
  releaseHeld(turn);
  return 'lastgood acts again';
}

function configure(turn: Turn, message: Extract<OperatorMessage, { name: 'configure' }>): string {
  const { state } = turn;
  const samePolicy = JSON.stringify(message.policy) === JSON.stringify(state.policy);
  if (samePolicy && message.rules === state.rules) return 'nothing changed';
  state.next = {
    policy: samePolicy ? null : message.policy,
    rules: message.rules === state.rules ? null : message.rules,
  };
  turn.record('configured', 'a new policy or new rules are taken over at the next quiet moment', {
    rules: message.rules,
    policyChanged: !samePolicy,
  });
  if (!samePolicy) tellUnknownMinimum(turn, message.policy);
  return 'taken over at the next quiet moment';
}
