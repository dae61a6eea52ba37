import { rankCandidates, unusable } from '../rollback/candidates';
import { instanceName } from '../route';
import type { Backend, RouteRecord } from '../route';
import type { ServiceEvent } from './events';
import { alertService, usersNow } from './messages-for-people';
import { setStanding } from './standing';
import type { ServiceState } from './state';
import type { Turn } from './turn';

const PREPARE_AGAIN_MS = 10 * 60_000;

/**
 * Keeps one proven standby beside the live version (readiness to roll back), and names it as the router's fallback
 * while its proof holds. Called after every event; does nothing while an operation is in flight.
 */
export function keepStandby(turn: Turn): void {
  const { state } = turn;
  if (state.operation || !state.declared || state.pausedWhy !== null) return;
  dropUnusableStandby(turn);
  if (state.policy.standby.keepWarm && !state.standby && !state.preparing) prepareNext(turn);
  keepFallback(turn);
}

function dropUnusableStandby(turn: Turn): void {
  const { state } = turn;
  const { standby } = state;
  if (!standby) return;
  const facts = state.versions.find(({ version }) => version === standby.version);
  const why = !facts
    ? 'it is not known any more'
    : standby.version === state.declared?.primary
      ? 'it is live'
      : unusable(state, facts, state.declared?.primary ?? null);
  if (why === null) return;
  state.standby = null;
  turn.record('standby-changed', `${standby.version} is no standby any more: ${why}`);
  if (standby.version !== state.declared?.primary) retire(turn, standby.version, standby.backend.instance, why);
}

function prepareNext(turn: Turn): void {
  const { state, now } = turn;
  if (copies(state) >= state.policy.copiesLoadedMax) return;
  const { candidates } = rankCandidates(state, now, state.breaker.open ? 'hold' : 'any');
  const tooFresh = new Set(
    state.unprepared.filter(({ at }) => now - at < PREPARE_AGAIN_MS).map(({ version }) => version),
  );
  const next = candidates.find(({ version }) => !tooFresh.has(version));
  if (!next) return;
  // A copy that is on its way out is asked to stay before another one is started.
  if (state.retiring.some(({ version }) => version === next.version)) return;
  const facts = state.versions.find(({ version }) => version === next.version);
  const instance = instanceName(state.service, next.version, turn.nextInstanceId());
  state.preparing = {
    version: next.version,
    instance,
    until: now + state.policy.steps.loadMs + state.policy.steps.probeMs,
  };
  turn.record('standby-changed', `makes ${next.version} ready as the standby: ${next.why}`, { instance });
  turn.effect({
    type: 'prepare-standby',
    version: next.version,
    digest: next.digest,
    instance,
    model: facts?.model ?? state.service,
  });
}

/** Copies that are loaded or loading: live, standby, one in preparation, those not yet retired (I7). */
function copies(state: ServiceState): number {
  const instances = new Set<string>();
  for (const backends of Object.values(state.declared?.backends ?? {}))
    for (const { instance } of backends) instances.add(instance);
  if (state.standby) instances.add(state.standby.backend.instance);
  if (state.preparing) instances.add(state.preparing.instance);
  for (const { instance } of state.retiring) instances.add(instance);
  return instances.size;
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
    (!state.breaker.open || state.versions.some((facts) => facts.version === standby.version && facts.human !== null));
  const wanted = may ? standby.version : undefined;
  if (declared.fallback === wanted) return;
  const record = withFallback(declared, wanted === undefined ? null : standby, state.nextEpoch, turn.now);
  state.nextEpoch += 1;
  state.declared = record;
  turn.record(
    wanted === undefined ? 'fallback-withdrawn' : 'fallback-declared',
    wanted === undefined
      ? `${declared.fallback} is no fallback any more: ${standby?.why ?? 'no proven standby'}`
      : `the router may use ${wanted} by itself when ${declared.primary} does not answer`,
    { epoch: record.epoch, proofAt: standby?.proofAt ?? null },
  );
  turn.effect({ type: 'apply-route', record });
}

function withFallback(
  declared: RouteRecord,
  standby: { version: string; backend: Backend } | null,
  epoch: number,
  now: number,
): RouteRecord {
  const { fallback, backends, ...rest } = declared;
  const pins = declared.pins.filter(({ until }) => until > now);
  const pinned = new Set(pins.map(({ version }) => version));
  const kept = Object.fromEntries(
    Object.entries(backends).filter(([version]) => version === declared.primary || pinned.has(version)),
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
  if (state.preparing?.instance !== event.instance) {
    if (event.backend) retire(turn, event.version, event.instance, 'it was made ready for a decision that has passed');
    return;
  }
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
  if (state.declared?.primary === event.version) return;
  const facts = state.versions.find(({ version }) => version === event.version);
  if (facts?.standing === 'candidate')
    setStanding(turn, event.version, 'validated', 'evaluation meets the policy, its probes passed in its runtime');
  adoptStandby(turn, event.version, event.backend, 'made ready, probes passed');
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
    failedAt: report.ok ? standby.failedAt : report.at,
    why: report.why.slice(0, 200),
  };
  if (!changed) return;
  turn.record('standby-changed', `the proof of ${report.version} ${report.ok ? 'holds' : `failed: ${report.why}`}`, {
    instance: report.instance,
  });
  if (report.ok) return;
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
    { version: report.version, at: turn.now, why: report.why.slice(0, 200) },
  ].slice(-10);
}

/** Asks for the end of a copy: drained first, stopped only when no record in force names it. */
export function retire(turn: Turn, version: string, instance: string, why: string): void {
  const { state, now } = turn;
  if (state.retiring.some((copy) => copy.instance === instance)) return;
  state.retiring = [...state.retiring, { version, instance }].slice(-50);
  const pin = state.declared?.pins.find((candidate) => candidate.version === version);
  turn.effect({
    type: 'retire',
    input: {
      service: state.service,
      version,
      instance,
      host: state.host,
      notBefore: Math.max(now, pin?.until ?? 0),
      drainMaxMs: state.policy.steps.drainMs,
      graceMs: state.policy.steps.stopGraceMs,
      why: why.slice(0, 300),
    },
  });
}

export function onRetirementEnded(turn: Turn, event: Extract<ServiceEvent, { type: 'retirement-ended' }>): void {
  const { report } = event;
  turn.state.retiring = turn.state.retiring.filter(({ instance }) => instance !== report.instance);
  turn.record('instance-retired', `${report.instance}: ${report.outcome}${report.why ? `, ${report.why}` : ''}`);
}
