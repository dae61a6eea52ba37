import type { Actor, Json, LedgerKind } from '../ledger';
import type { Tier } from '../detection/types';
import type { Candidate, OperationInput, OperationKind } from '../rollback/operation';
import type { PlanStep, Procedure } from '../rollback/plan';
import { interruptDrill } from './drills';
import { expectedGap, gapWords } from './gap';
import { copiesOf } from './retiring';
import type { Incident, Operation, ServiceState } from './state';
import type { Turn } from './turn';

/** More than any plan of `maxCandidates` candidates uses: shift, stages and the way back, for each. */
const EPOCHS_PER_OPERATION = 32;
/** Slack on a child's own deadline before the service looks for itself. */
const REPORT_SLACK_MS = 30_000;

export interface OperationRequest {
  readonly id: string;
  readonly kind: OperationKind;
  readonly incident: string | null;
  readonly procedure: Procedure;
  readonly plan: readonly PlanStep[];
  readonly candidates: readonly Candidate[];
  readonly actor: Actor;
  readonly reason: string;
  readonly summary: string;
  readonly facts: { readonly [key: string]: Json };
  readonly entry: LedgerKind;
  readonly ledgerDown: 'proceed' | 'hold';
  /** What is to be done with items; its step is in the plan. */
  readonly items?: OperationInput['items'];
}

/** Grants a block of epochs, writes the decision, and starts the child after it (I2, I4). */
export function startOperation(turn: Turn, request: OperationRequest): void {
  const { state, now } = turn;
  const { policy } = state;
  interruptDrill(turn, `${request.kind} ${request.id} begins`);
  const epochs = { from: state.nextEpoch, to: state.nextEpoch + EPOCHS_PER_OPERATION - 1 };
  state.nextEpoch = epochs.to + 1;
  const forward = request.kind === 'deploy';
  const hard = state.incident?.hard ?? false;
  const gap = expectedGap(state);
  // A copy that is warm from the time before shares the memory with the one that is stopped; it is stopped with it.
  const candidates = gap ? request.candidates.map((one) => ({ ...one, warm: null })) : request.candidates;
  const procedure = gap ? 'standard' : request.procedure;
  const input: OperationInput = {
    service: state.service,
    operation: request.id,
    kind: request.kind,
    incident: request.incident,
    procedure,
    plan: request.plan,
    actor: request.actor,
    reason: request.reason.slice(0, 500),
    candidates,
    epochs,
    route: state.declared,
    keepPinsMs: keepPinsMs(state, forward),
    // A version that failed hard is no refuge; one that lost a class still serves better than a target that fails.
    safest: hard && !forward ? 'target' : 'previous',
    fallbackSince: state.fallbackInUse?.since ?? fallbackOnset(state.incident),
    host: state.host,
    ...(policy.replicas && { replicas: policy.replicas }),
    ...(gap && { stopFirst: { expectedMs: gap.expectedMs, maxMs: gap.maxMs } }),
    ...(policy.caches && { caches: policy.caches }),
    model: state.versions.find(({ version }) => version === request.candidates[0]?.version)?.model ?? state.service,
    ...(request.items && { items: request.items }),
    ledger: { waitMs: policy.ledgerWaitMs, down: request.ledgerDown },
    limits: {
      attempts: policy.attempts,
      steps: policy.steps,
      verify: policy.verify,
      gradual: policy.gradual,
      standby: policy.standby,
    },
  };
  state.operation = {
    id: request.id,
    kind: request.kind,
    incident: request.incident,
    from: state.declared?.primary ?? '',
    candidates: request.candidates.map(({ version }) => version),
    // What is stopped first is not there any more to be kept or retired.
    left: state.declared && !gap ? copiesOf(state.declared, state.declared.primary) : [],
    epochs,
    startedAt: now,
    actor: request.actor,
    reason: request.reason.slice(0, 500),
    lastNo: 0,
    step: 'start',
    version: null,
    deadlineAt: now + REPORT_SLACK_MS,
    waiting: null,
    shifted: false,
    stopping: null,
  };
  turn.record(
    request.entry,
    gap ? `${request.summary}; ${gapWords(gap)}` : request.summary,
    {
      ...request.facts,
      ...(gap && { gap: { ...gap } }),
      operation: request.id,
      procedure,
      epochs: `${epochs.from}..${epochs.to}`,
      candidates: request.candidates.map(
        ({ version, why, warm }) =>
          `${version}: ${why}${warm ? `; warm, proven at ${new Date(warm.proofAt).toISOString()}` : ''}`,
      ),
      plan: request.plan.map(({ step }) => step).join(' → '),
    },
    { actor: request.actor, incident: request.incident },
  );
  giveWay(turn, request.id);
  spareCopies(turn, request.candidates);
  turn.effect({ type: 'start-operation', input, summary: request.summary.slice(0, 180) }, request.ledgerDown);
}

/**
 * How long sessions may stay on the version that is left. A good one keeps them for their lifetime; a bad one for no longer
 * than the tier allows that says so, also where a deploy is what leaves it.
 */
function keepPinsMs({ policy, incident, declared, degradations }: ServiceState, forward: boolean): number {
  const { maxLifetimeMs, keepPinsOn, keepPinsAtMostMs } = policy.sessions;
  const atMost = (tier: Tier): number => Math.min(maxLifetimeMs, keepPinsAtMostMs?.[tier] ?? Infinity);
  if (!forward) return incident !== null && keepPinsOn.includes(incident.tier) ? atMost(incident.tier) : 0;
  const standing = degradations.filter(
    ({ version, attribution }) => version === declared?.primary && attribution !== 'environment',
  );
  return Math.min(maxLifetimeMs, ...standing.map(({ verdict }) => atMost(verdict.tier)));
}

/** The verdict on a router that fell back may arrive before the router's own word on it; its onset is the same moment. */
function fallbackOnset(incident: Incident | null): number | null {
  return incident?.metric === 'live-backend' ? incident.onsetAt : null;
}

/** The host has one slot: what the users wait for goes before what makes a standby ready. */
function giveWay(turn: Turn, operation: string): void {
  const { preparing, joining } = turn.state;
  if (preparing) turn.state.preparing = null;
  if (joining) turn.state.joining = null;
  for (const copy of [preparing, joining]) {
    if (!copy) continue;
    const { version, instance } = copy;
    turn.record('standby-changed', `${version} is not made ready any further: ${operation} needs the host`, {
      instance,
    });
    turn.effect({ type: 'cancel-preparation', instance });
  }
}

/** The copies of a candidate that were about to be retired are kept: a late stop must not kill a version chosen again. */
function spareCopies(turn: Turn, candidates: readonly Candidate[]): void {
  for (const { version, instance } of turn.state.retiring)
    if (candidates.some((candidate) => candidate.version === version)) turn.effect({ type: 'spare', instance });
}

/** Stops the operation in flight: first the router's floor, then the word to the child. */
export function fenceOperation(turn: Turn, why: string): void {
  const { state, now } = turn;
  const { operation } = state;
  if (!operation || operation.stopping !== null) return;
  turn.record('operator-act', `stops ${operation.kind} ${operation.id}: ${why}`, { operation: operation.id });
  state.operation = { ...operation, stopping: why, deadlineAt: now + 2 * REPORT_SLACK_MS };
  turn.effect({ type: 'fence', epoch: Math.max(operation.epochs.to + 1, state.declared?.epoch ?? 0) });
  turn.effect({ type: 'order', operation: operation.id, order: { type: 'stop', why } });
}

/** For people: ends an operation, so that what stands behind it is decided. */
export function endCommand(service: string, { id, incident, waiting }: Operation): string {
  if (waiting === null) return `lastgood cancel ${service} --reason '…'`;
  return `lastgood intervene ${incident ?? id} abort --service ${service} --reason '…'`;
}

export function reportDeadline(now: number, deadlineAt: number): number {
  return Math.max(now, deadlineAt) + REPORT_SLACK_MS;
}
