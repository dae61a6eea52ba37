import { instanceOn } from '../hosts';
import { rankCandidates, unusable } from '../rollback/candidates';
import { fitWords } from '../rollback/figure-words';
import { targetPolicy } from '../rollback/order';
import { instanceName } from '../route';
import type { Backend, RouteRecord } from '../route';
import { declare } from './declared-route';
import type { ServiceEvent } from './events';
import { alertService, clock, usersNow } from './messages-for-people';
import { onCopyPrepared } from './replicas';
import { loadedCopies, retire } from './retiring';
import { setStanding } from './standing';
import type { ServiceState, StandbyState } from './state';
import { isNews, stillSo } from './told';
import type { Turn } from './turn';

const PREPARE_AGAIN_MS = 10 * 60_000;
/** A copy that fails its proof this long is replaced; before, its failure may be the environment's and pass. */
const REPLACE_FAILED_MS = 60_000;
/** Beside a degradation it is evidence that the environment is the cause (see `decide`); it must not bind the standby for ever. */
const REPLACE_BESIDE_VERDICT_MS = 5 * 60_000;

/**
 * Keeps one proven standby beside the live version (readiness to roll back), and names it as the router's fallback
 * while its proof holds. Called after every event; does nothing while an operation is in flight.
 */
export function keepStandby(turn: Turn): void {
  const { state } = turn;
  if (state.operation || !state.declared || state.pausedWhy !== null) return;
  const dropped = dropUnusableStandby(turn);
  keepFallback(turn);
  // Only now: the record above must not name the copy any more.
  if (dropped) retire(turn, dropped.version, dropped.backend.instance, dropped.why);
  const keeps = state.policy.standby.keepWarm && state.policy.swap === undefined;
  if (keeps && !state.standby && !state.preparing) prepareNext(turn);
}

function dropUnusableStandby(turn: Turn): { version: string; backend: Backend; why: string } | null {
  const { state } = turn;
  const { standby } = state;
  const why = standby && reasonToDrop(state, standby, turn.now);
  if (!standby || why === null) return null;
  state.standby = null;
  turn.record('standby-changed', `${standby.version} is no standby any more: ${why}`);
  return { ...standby, why };
}

function reasonToDrop(state: ServiceState, standby: StandbyState, now: number): string | null {
  const facts = state.versions.find(({ version }) => version === standby.version);
  if (!facts) return 'it is not known any more';
  if (standby.version === state.declared?.primary) return 'it is live';
  // While the router itself serves by it, it is left alone: only a decision moves the users.
  if (state.fallbackInUse?.version === standby.version) return null;
  if (state.policy.swap !== undefined) return 'memory holds one copy';
  const why = unusable(state, facts, state.declared?.primary ?? null);
  if (why !== null) return why;
  const replaceAt = failedStandbyReplacedAt(state);
  if (replaceAt !== null && now >= replaceAt) return `its proof has failed since ${clock(standby.failedAt ?? now)}`;
  if (facts.standing !== 'suspect') return betterFit(state, standby.version, now);
  const best = rankCandidates(state, now).candidates[0];
  return best && best.version !== standby.version ? `suspect, and ${best.version} is better` : null;
}

/**
 * Today's inputs moved away from what the standby knows, and another version knows them. Not beside a degradation: until
 * the other one is ready nothing would be warm. Not for one that could not be made ready lately, or both would take turns.
 */
function betterFit(state: ServiceState, version: string, now: number): string | null {
  if (state.degradations.length > 0 || state.incident || targetPolicy(state).order !== 'closest-profile') return null;
  const { usable } = rankCandidates(state, now);
  const [best] = usable;
  const kept = usable.find(({ facts }) => facts.version === version);
  if (kept?.band !== 'differs' || best?.band !== 'fits' || tooFresh(state, now).has(best.facts.version)) return null;
  return `it ${fitWords(kept.fit, targetPolicy(state).maxDistance)}, and ${best.facts.version} fits`;
}

/** When a standby whose proof fails is given up; null while it holds, or while the router itself serves by it. */
export function failedStandbyReplacedAt(state: ServiceState): number | null {
  const { standby, degradations, fallbackInUse } = state;
  if (standby?.proof !== 'failed' || standby.failedAt === null || fallbackInUse?.version === standby.version)
    return null;
  return standby.failedAt + (degradations.length === 0 ? REPLACE_FAILED_MS : REPLACE_BESIDE_VERDICT_MS);
}

/** Those that could not be made ready a moment ago. */
function tooFresh({ unprepared }: ServiceState, now: number): ReadonlySet<string> {
  return new Set(unprepared.filter(({ at }) => now - at < PREPARE_AGAIN_MS).map(({ version }) => version));
}

function prepareNext(turn: Turn): void {
  const { state, now } = turn;
  const { copiesLoadedMax, replicas } = state.policy;
  if (loadedCopies(state) >= copiesLoadedMax * (replicas?.hosts.length ?? 1)) return;
  const { candidates } = rankCandidates(state, now, state.breaker.open ? 'hold' : 'any');
  const failedLately = tooFresh(state, now);
  // Its last copy must be gone first: a late stop must not hit the one that is made ready now.
  const leaving = new Set(state.retiring.map(({ version }) => version));
  const next = candidates.find(({ version }) => !failedLately.has(version) && !leaving.has(version));
  if (!next) return;
  const facts = state.versions.find(({ version }) => version === next.version);
  const id = turn.nextInstanceId();
  // Of several hosts each copy says where it is: only its host can tell what became of it.
  const instance = replicas
    ? instanceOn(state.service, next.version, id, state.host)
    : instanceName(state.service, next.version, id);
  // As long again as a load for the host's one slot, which somebody else's load may have.
  const { validateMs, loadMs, probeMs } = state.policy.steps;
  state.preparing = { version: next.version, instance, until: now + validateMs + 2 * loadMs + probeMs };
  turn.record('standby-changed', `makes ${next.version} ready as the standby: ${next.why}`, { instance });
  turn.effect({
    type: 'prepare-standby',
    version: next.version,
    digest: next.digest,
    instance,
    model: facts?.model ?? state.service,
  });
}

/** Names the fallback for a standby with a fresh proof, withdraws it otherwise; the breaker leaves only the hold version. */
function keepFallback(turn: Turn): void {
  const { state } = turn;
  const { declared, standby, policy } = state;
  if (!declared || state.fallbackInUse) return;
  const may =
    policy.standby.asFallback &&
    state.mode === 'act' &&
    standby !== null &&
    standby.proof === 'ok' &&
    (!state.breaker.open || rankCandidates(state, turn.now, 'hold').candidates[0]?.version === standby.version);
  const wanted = may ? standby.version : undefined;
  if (declared.fallback === wanted && (wanted === undefined || namesStandby(declared, standby))) return;
  const record = withFallback(declared, wanted === undefined ? null : standby, state.nextEpoch, turn.now);
  declare(turn, record, turn.now);
  turn.record(
    wanted === undefined ? 'fallback-withdrawn' : 'fallback-declared',
    wanted === undefined
      ? `${declared.fallback} is no fallback any more: ${standby?.why ?? 'no proven standby'}`
      : `the router may use ${wanted} by itself when ${declared.primary} does not answer`,
    { epoch: record.epoch, proofAt: standby?.proofAt ?? null },
  );
  turn.effect({ type: 'apply-route', record });
}

function namesStandby(declared: RouteRecord, standby: StandbyState | null): boolean {
  const named = declared.backends[standby?.version ?? '']?.[0]?.instance;
  return named === standby?.backend.instance;
}

function withFallback(
  declared: RouteRecord,
  standby: { version: string; backend: Backend } | null,
  epoch: number,
  now: number,
): RouteRecord {
  const { fallback, backends, share, ...others } = declared;
  // The share of an operation that is over, kept only for as long as the router served by its fallback.
  const rest = share?.drill === undefined ? others : { ...others, share };
  const pins = declared.pins.filter(({ until }) => until > now);
  const pinned = new Set(pins.map(({ version }) => version));
  const drilled = share?.drill === undefined ? null : share.version;
  const kept = Object.fromEntries(
    Object.entries(backends).filter(
      ([version]) => version === declared.primary || version === drilled || pinned.has(version),
    ),
  );
  if (!standby) return { ...rest, pins, epoch, backends: kept };
  return {
    ...rest,
    pins,
    epoch,
    fallback: standby.version,
    backends: { ...kept, [standby.version]: [standby.backend] },
  };
}

/** A copy of the version is running and proven by its steps: it becomes the standby, its own proof follows. */
export function adoptStandby(turn: Turn, version: string, backend: Backend, why: string): void {
  turn.state.standby = { version, backend, proof: 'unproven', proofAt: null, failedAt: null, why };
  turn.record('standby-changed', `${version} is the standby: ${why}`, { instance: backend.instance });
}

export function onStandbyPrepared(turn: Turn, event: Extract<ServiceEvent, { type: 'standby-prepared' }>): void {
  const { state, now } = turn;
  if (onCopyPrepared(turn, event)) return;
  // It may have been started before it failed; stopping what is not there does no harm.
  if (state.preparing?.instance !== event.instance)
    return retire(turn, event.version, event.instance, 'it was made ready for a decision that has passed');
  state.preparing = null;
  if (!event.backend) {
    state.unprepared = [
      ...state.unprepared.filter(({ version }) => version !== event.version),
      { version: event.version, at: now, why: event.why.slice(0, 200) },
    ].slice(-10);
    turn.record('standby-changed', `${event.version} could not be made ready: ${event.why}`);
    // It may have been started before it failed; stopping what is not there does no harm.
    retire(turn, event.version, event.instance, 'it could not be made ready');
    alertService(turn, `standby/${event.version}/unprepared`, {
      severity: 'ticket',
      title: `${state.service}: ${event.version} could not be made ready as the standby`,
      wrong: event.why,
      did: 'Tries the next version; readiness to roll back is in lastgood status.',
      users: usersNow(state),
      must: 'Repair or remove the artifact in working hours.',
      command: `lastgood artifacts verify ${state.service}@${event.version}`,
    });
    return;
  }
  const { backend } = event;
  const facts = state.versions.find(({ version }) => version === event.version);
  const useless =
    state.declared?.primary === event.version
      ? 'it is live by another copy'
      : state.standby !== null
        ? `${state.standby.version} is the standby already`
        : facts
          ? unusable(state, facts, state.declared?.primary ?? null)
          : 'it is not known any more';
  if (useless !== null) return retire(turn, event.version, backend.instance, useless);
  if (facts?.standing === 'candidate')
    setStanding(turn, event.version, 'validated', 'evaluation meets the policy, its probes passed in its runtime');
  adoptStandby(turn, event.version, backend, 'made ready, probes passed');
}

export function onStandbyReported(turn: Turn, event: Extract<ServiceEvent, { type: 'standby-reported' }>): void {
  const { state } = turn;
  const { report } = event;
  const { standby } = state;
  if (!standby || standby.backend.instance !== report.instance) return;
  const proof = report.ok ? 'ok' : 'failed';
  const changed = standby.proof !== proof;
  state.standby = {
    ...standby,
    proof,
    proofAt: report.ok ? report.at : standby.proofAt,
    // The begin of a failure is what the attribution compares with the onset.
    failedAt: report.ok || (standby.proof === 'failed' && standby.failedAt !== null) ? standby.failedAt : report.at,
    why: report.why.slice(0, 200),
  };
  if (!changed) return;
  turn.record('standby-changed', `the proof of ${report.version} ${report.ok ? 'holds' : `failed: ${report.why}`}`, {
    instance: report.instance,
  });
  const failedSo = `standby/${report.version}`;
  if (report.ok) return stillSo(turn, failedSo);
  if (isNews(turn, failedSo, false))
    alertService(turn, `standby/${report.instance}/failed`, {
      severity: 'ticket',
      title: `${state.service}: the standby ${report.version} failed its proof`,
      wrong: report.why,
      did: 'Withdraws it as fallback and makes another copy ready.',
      users: usersNow(state),
      must: 'Nothing until morning, if status says ready again.',
      command: `lastgood status ${state.service}`,
    });
  // A copy that stays broken is replaced; its failure is on record for the attribution until then.
  state.unprepared = [
    ...state.unprepared.filter(({ version }) => version !== report.version),
    { version: report.version, at: turn.now, why: report.why.slice(0, 200), proofFailed: true as const },
  ].slice(-10);
}
