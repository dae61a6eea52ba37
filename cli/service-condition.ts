import type { ServiceView } from '../api/types';
import { exitCodes } from './exit-codes';
import type { State } from './types';

/** The condition of one service in the terms of the exit codes, worst first, each with its reasons. */
export interface Condition {
  readonly code: number;
  readonly word: 'ok' | 'acting' | 'degraded' | 'needs a human' | 'unmeasured' | 'not ready' | 'unreachable';
  readonly reasons: readonly string[];
}

/** Worst first: what a person must do comes before what goes on by itself. */
const order: readonly number[] = [
  exitCodes.unreachable,
  exitCodes.needsHuman,
  exitCodes.degraded,
  exitCodes.unmeasured,
  exitCodes.notReady,
  exitCodes.ok,
];

export function worstCode(codes: readonly number[]): number {
  return order.find((code) => codes.includes(code)) ?? exitCodes.ok;
}

export function conditionOf(view: ServiceView, now: number): Condition {
  // Left on purpose: nobody is missing, and nothing is to be done.
  if (!view.status && view.gateway?.record?.detached)
    return { code: exitCodes.notReady, word: 'not ready', reasons: ['lastgood is detached from it'] };
  if (!view.status)
    return { code: exitCodes.unreachable, word: 'unreachable', reasons: ['nobody who decides could be asked'] };
  const { state, readiness } = view.status;
  const human = needsHuman(state);
  if (human.length > 0) return { code: exitCodes.needsHuman, word: 'needs a human', reasons: human };
  const acting = actingOn(state);
  if (acting.length > 0) return { code: exitCodes.degraded, word: 'acting', reasons: acting };
  const degraded = degradedBy(state);
  if (degraded.length > 0) return { code: exitCodes.degraded, word: 'degraded', reasons: degraded };
  const unmeasured = unmeasuredBy(state, now);
  if (unmeasured.length > 0) return { code: exitCodes.unmeasured, word: 'unmeasured', reasons: unmeasured };
  if (!readiness.ready) return { code: exitCodes.notReady, word: 'not ready', reasons: [readiness.why] };
  return { code: exitCodes.ok, word: 'ok', reasons: [] };
}

function needsHuman(state: State): string[] {
  const { incident, operation, breaker, fallbackInUse } = state;
  const reasons: string[] = [];
  if (operation && operation.waiting !== null) reasons.push(`${operation.id} waits for a person: ${operation.waiting}`);
  else if (incident?.phase === 'waiting-for-human') reasons.push(`incident ${incident.id} waits for a person`);
  if (incident?.phase === 'awaiting-approval') reasons.push(`incident ${incident.id} waits for an approval`);
  if (incident?.phase === 'on-fallback' || (fallbackInUse && !operation && breaker.open))
    reasons.push('on fallback, waiting for a human');
  if (breaker.open) reasons.push(`the breaker is open since incident ${breaker.incident ?? '?'}`);
  if (state.pausedWhy !== null) reasons.push(`paused: ${state.pausedWhy}`);
  const live = state.versions.find(({ version }) => version === state.declared?.primary);
  if (live && !operation && (live.standing === 'revoked' || live.standing === 'quarantined'))
    reasons.push(`${live.version} serves and is ${live.standing}: ${live.why}`);
  if (state.serving?.alarmed)
    reasons.push(`what answers at ${state.serving.address} is not ${state.declared?.primary ?? 'what is declared'}`);
  if (liveIs(state) === 'dead' && state.revival?.told)
    reasons.push(`no copy of ${state.revival.version} runs: ${state.revival.told}`);
  for (const { verdict, decided, heldBy } of liveDegradations(state))
    if (verdict.hard && (decided === 'held' || decided === 'refused'))
      reasons.push(`${verdict.metric} failed hard and nothing was moved${heldBy === null ? '' : `: ${heldBy}`}`);
  return reasons;
}

function actingOn(state: State): string[] {
  const { operation, incident, fallbackInUse } = state;
  const reasons: string[] = [];
  if (operation) reasons.push(`${operation.kind} ${operation.id} is at ${operation.step}`);
  else if (incident) reasons.push(`incident ${incident.id} is ${incident.phase}`);
  if (fallbackInUse) reasons.push(`the router serves by the fallback ${fallbackInUse.version}`);
  return reasons;
}

function degradedBy(state: State): string[] {
  const gap = state.declared?.gap ? ['nobody serves, by a declared gap: memory holds one copy'] : [];
  const silent = liveIs(state) === 'answers' ? [] : [`no copy of ${state.declared?.primary ?? '?'} answers`];
  return [...gap, ...silent, ...liveDegradations(state).map(({ verdict }) => verdict.sentence)];
}

/** What was seen of another copy than the one that serves says nothing. */
function liveIs({ live, declared }: State): 'answers' | 'silent' | 'dead' {
  const serves = declared?.backends[declared.primary]?.[0]?.instance ?? '';
  return live?.instances.includes(serves) ? live.condition : 'answers';
}

function liveDegradations(state: State): State['degradations'] {
  return state.degradations.filter(({ version }) => version === state.declared?.primary);
}

/** A tier that could not measure anything; a single metric without data (labels late) is only shown. */
function unmeasuredBy(state: State, now: number): string[] {
  if (!state.declared) return [];
  if (state.unmeasuredSince !== null)
    return [`no telemetry for ${Math.max(0, Math.round((now - state.unmeasuredSince) / 1000))} s`];
  if (state.tiers.length === 0) return ['no tier has reported yet'];
  return state.tiers.every(({ kind }) => kind === 'unmeasured') ? ['no metric of any tier could be measured'] : [];
}
