import { candidateOf } from '../rollback/candidates';
import type { ServiceEvent } from './events';
import { leftInGap, planFor } from './gap';
import { machine } from './messages';
import { alertService, clock, usersNow } from './messages-for-people';
import { endCommand, startOperation } from './operations';
import { blockedBy, pausedBy } from './readiness';
import type { LiveSeen, Operation, Revival, ServiceState, StandingDegradation, VersionFacts } from './state';
import type { Turn } from './turn';

/** Pause before each attempt; there are as many attempts as pauses. */
export const REVIVAL_PAUSES_MS = [0, 30_000, 2 * 60_000] as const;
/** An attempt this old says nothing about a crash loop any more. */
const ATTEMPTS_KEPT_MS = 60 * 60_000;

/** Who serves at an address of its own is not ours to start. */
const EXTERNAL = '#external';

/** Copies of the live version that lastgood runs itself; none where something else does. */
export function ownCopies({ declared }: ServiceState): readonly { readonly instance: string }[] {
  const copies = declared?.backends[declared.primary] ?? [];
  return copies.some(({ instance }) => instance.endsWith(EXTERNAL)) ? [] : copies;
}

/** What was last seen of the copies that the declared record names; null when nothing was, or of others only. */
export function liveSeen(state: ServiceState): LiveSeen | null {
  const { live } = state;
  return live && sameCopies(state, live.instances) ? live : null;
}

/** No copy of the live version runs: all have ended, or an operation was left in its gap. */
function seenDead(state: ServiceState, now: number): LiveSeen | null {
  const gap = state.declared?.gap;
  const seen = liveSeen(state);
  if (gap === undefined) return seen?.condition === 'dead' ? seen : null;
  const why = `it was stopped ${clock(gap.since)} for a change that did not end`;
  return { instances: [], condition: 'dead', at: now, why };
}

/** No copy of the live version answers: a person may start it again. */
export function liveIsDown(state: ServiceState): boolean {
  if (leftInGap(state)) return true;
  const condition = liveSeen(state)?.condition;
  return condition === 'dead' || condition === 'silent';
}

/** The same version under a new instance and epoch: nobody is left, nothing is judged. */
export function isRevival({ kind, from, candidates }: Pick<Operation, 'kind' | 'from' | 'candidates'>): boolean {
  return kind === 'deploy' && from !== '' && candidates[0] === from;
}

export function isOwnRevival(operation: Operation): boolean {
  return isRevival(operation) && operation.actor.proof === 'lastgood';
}

export function onLiveReported(turn: Turn, { report }: Extract<ServiceEvent, { type: 'live-reported' }>): void {
  const { state } = turn;
  if (!sameCopies(state, report.instances)) return;
  const { instances, condition, at } = report;
  // The record of its end is not kept for ever; a process that has ended does not come back to being only silent.
  if (condition === 'silent' && liveSeen(state)?.condition === 'dead') return;
  state.live = { instances, condition, at, why: report.why.slice(0, 300), ...(report.down && { down: report.down }) };
  if (condition !== 'answers' || !state.revival) return;
  // Whoever brought it back, the next death is a new story; attempts of the machine still count towards their limit.
  state.revival = state.revival.givenUp ? null : { ...state.revival, told: null };
}

/**
 * Starts the live version again when all its copies are dead and no standby may take over: a deploy of the same version
 * under a new instance and epoch. It counts as no rollback and changes nobody's standing, so neither cooldown nor breaker
 * holds it; a pause and mode observe do. Called after every event.
 */
export function revive(turn: Turn): void {
  const { state, now } = turn;
  endGrace(turn);
  const seen = seenDead(state, now);
  if (seen === null || !state.declared) return;
  const { operation } = state;
  if (operation && (operation.waiting === null || operation.stopping !== null)) return;
  if (standbyTakesOver(state, now)) return;
  const revival = revivalOf(state, now);
  if (revival.givenUp) return;
  if (operation) return wait(turn, revival, seen, `${operation.id} waits for a person`);
  const facts = state.versions.find(({ version }) => version === revival.version);
  const forbidden = forbiddenBy(state, facts, now, leftInGap(state));
  if (!facts || forbidden !== null) return wait(turn, revival, seen, forbidden ?? 'it is not known');
  state.revival = { ...revival, told: null };
  if (revival.attempts.length >= REVIVAL_PAUSES_MS.length)
    return wait(
      turn,
      { ...revival, givenUp: true },
      seen,
      `it was started again ${revival.attempts.length} times since ${clock(revival.attempts[0] ?? now)} and ended each time`,
    );
  if (now >= dueAt(revival)) start(turn, revival, facts, seen);
}

function start(turn: Turn, revival: Revival, facts: VersionFacts, seen: LiveSeen): void {
  const { state, now } = turn;
  const { version } = facts;
  const attempt = revival.attempts.length + 1;
  const reason = `no copy of ${version} runs any more: ${seen.why}`;
  state.revival = { ...revival, attempts: [...revival.attempts, now], told: null, servesSince: null };
  startOperation(turn, {
    id: turn.nextOperationId('revival'),
    kind: 'deploy',
    incident: null,
    procedure: 'standard',
    plan: planFor(state, 'standard', false),
    candidates: [candidateOf(state, facts, 'is live, and no copy of it runs', now)],
    actor: machine,
    reason,
    summary: `starts ${version} again (attempt ${attempt} of ${REVIVAL_PAUSES_MS.length}): ${reason}`,
    facts: { attempt, seenAt: seen.at, standby: state.standby?.why ?? null },
    entry: 'deploy-decided',
    ledgerDown: state.policy.ledgerDown.immediate,
  });
  alertService(turn, `live/${seen.instances[0] ?? version}/revival`, {
    severity: 'ticket',
    title: `${state.service}: the copy of ${version} that served has ended`,
    wrong: seen.why,
    did: `Starts ${version} again; no standby could take over.`,
    users: 'get an error with a reason until it is ready',
    must: 'Nothing at once; find out why it ended.',
    command: `lastgood status ${state.service}`,
  });
}

/** One entry and one page a reason: the machine does not act, or not any more. */
function wait(turn: Turn, revival: Revival, seen: LiveSeen, why: string): void {
  const { state } = turn;
  const { service, operation } = state;
  if (revival.told === why) return;
  state.revival = { ...revival, told: why };
  turn.record('waiting-for-human', `no copy of ${revival.version} runs, and it is not started again: ${why}`, {
    seen: seen.why,
    seenAt: seen.at,
    attempts: revival.attempts.length,
  });
  alertService(turn, `live/${seen.instances[0] ?? revival.version}/dead/${why.slice(0, 24)}`, {
    severity: 'page',
    title: `${service}: no copy of ${revival.version} runs`,
    wrong: seen.why,
    did: `Does not start it again: ${why}.`,
    users: state.fallbackInUse ? usersNow(state) : 'not served',
    must: operation ? `End ${operation.id}, and it is started again.` : 'Start it again or choose another version now.',
    command: operation ? endCommand(service, operation) : `lastgood deploy ${service}@${revival.version} --reason '…'`,
  });
}

/** A revival of the machine that needs a person ends instead: the next attempt, or the page after the last, is the way on. */
export function giveUpAttempt(turn: Turn, operation: Operation, step: string, why: string): void {
  turn.record('step-failed', `${operation.id} failed at ${step}: ${why}`, { operation: operation.id, step });
  turn.effect({ type: 'order', operation: operation.id, order: { type: 'abort' } });
}

export function revivalEnded(turn: Turn, { id, from, stopping }: Operation, outcome: string, why: string): void {
  const { state, now } = turn;
  const settled = outcome === 'settled';
  const revival = revivalOf(state, now);
  state.revival = {
    ...revival,
    servesSince: settled ? now : null,
    // A person who stops it does not want it again half a minute later; a stop that nobody ordered is only a failed attempt.
    givenUp: outcome === 'cancelled' && stopping !== null,
  };
  if (settled) turn.record('deploy-settled', `${from} serves again by a new copy`, { verified: why.slice(0, 500) });
  else turn.record('deploy-refused', `${id} ${outcome}: ${why}; no new copy of ${from} was settled`);
}

/**
 * A verdict that began on the copy before is no judgement of the new one: it gets the time to end by itself. What is
 * still there afterwards is decided.
 */
export function isOfFormerCopy({ revival }: ServiceState, entry: StandingDegradation): boolean {
  if (!revival || revival.servesSince === null || revival.version !== entry.version) return false;
  return (entry.verdict.onsetMs ?? entry.reportedAt) < revival.servesSince;
}

function graceEndsAt({ revival, policy }: ServiceState): number | null {
  return revival && revival.servesSince !== null ? revival.servesSince + 2 * policy.detection.calmMs : null;
}

function endGrace({ state, now }: Turn): void {
  const until = graceEndsAt(state);
  if (state.revival && until !== null && now >= until) state.revival = { ...state.revival, servesSince: null };
}

/** The next moment at which time alone starts an attempt, or ends the grace of verdicts on the copy before. */
export function revivalWakesAt(state: ServiceState): number | null {
  const { revival, operation } = state;
  if (!revival) return null;
  const at = dueAt(revival);
  const waits =
    seenDead(state, 0) !== null &&
    revival.version === state.declared?.primary &&
    !operation &&
    !revival.givenUp &&
    revival.told === null &&
    revival.attempts.length > 0 &&
    revival.attempts.length < REVIVAL_PAUSES_MS.length &&
    !standbyTakesOver(state, at);
  return waits ? at : graceEndsAt(state);
}

/**
 * A proven standby that the router uses by itself, or that an open verdict on the dead version is about to lead to. A
 * standby that nobody will move to serves nobody.
 */
function standbyTakesOver(state: ServiceState, now: number): boolean {
  const { standby, declared, degradations } = state;
  if (standby?.proof !== 'ok') return false;
  if (declared?.fallback === standby.version) return true;
  const undecided = degradations.some(({ version, decided }) => version === declared?.primary && decided === 'open');
  return undecided && state.mode === 'act' && blockedBy(state, now) === null;
}

/** `owed`: lastgood itself stopped it for a change; to bring it back is the end of that, not another act. */
function forbiddenBy(state: ServiceState, facts: VersionFacts | undefined, now: number, owed: boolean): string | null {
  const paused = owed ? state.pausedWhy : pausedBy(state, now);
  if (paused !== null) return paused;
  if (state.mode === 'observe' && !owed) return 'mode observe: lastgood only watches';
  if (!facts) return 'it is not in the artifact store';
  if (facts.standing === 'revoked' || facts.standing === 'quarantined') return `it is ${facts.standing}: ${facts.why}`;
  // Gone from the store, or its report does not meet a policy that came since: nobody proves what would be started (I1).
  if (!facts.evaluation.ok) return `it is not validated: ${facts.evaluation.why}`;
  return null;
}

/** Attempts on another version, or from long ago, are another story. */
function revivalOf(state: ServiceState, now: number): Revival {
  const version = state.declared?.primary ?? '';
  const known = state.revival?.version === version ? state.revival : null;
  const attempts = (known?.attempts ?? []).filter((at) => now - at < ATTEMPTS_KEPT_MS);
  return { version, attempts, givenUp: false, told: null, servesSince: null, ...(known && { ...known, attempts }) };
}

function dueAt({ attempts }: Revival): number {
  const last = attempts.at(-1);
  return last === undefined ? 0 : last + (REVIVAL_PAUSES_MS[attempts.length] ?? 0);
}

function sameCopies(state: ServiceState, instances: readonly string[]): boolean {
  const copies = ownCopies(state);
  return (
    copies.length > 0 && copies.length === instances.length && copies.every((one) => instances.includes(one.instance))
  );
}
