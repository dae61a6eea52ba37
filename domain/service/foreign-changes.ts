import type { Actor } from '../ledger';
import {
  identityWords,
  isSameIdentity,
  observedName,
  type ObservedServing,
  type SeenServing,
} from '../observed-serving';
import { instanceName, type Backend, type RouteRecord } from '../route';
import { declare, FOREIGN_DEGRADATION } from './declared-route';
import { endIncident } from './incident';
import { alertService, duration, usersNow } from './messages-for-people';
import { changeVersion } from './standing';
import type { ServiceState, StandingDegradation, VersionFacts } from './state';
import type { Turn } from './turn';

/** Versions that only an address told of, and about which nothing was decided, are remembered up to this many. */
const REMEMBERED = 20;

/** Takes a report of who answers at the address; what it means is decided by {@link followServing}. */
export function learnServing(turn: Turn, observed: ObservedServing): void {
  const { state } = turn;
  const last = state.serving ?? null;
  if (last?.address === observed.address && last.key === observed.key) return;
  const before = last?.address === observed.address ? last.key : null;
  const { configured, address, model, key, version, means } = observed;
  state.serving = { configured, address, model, key, version, means, before, handled: false, alarmed: false };
}

/**
 * Makes of an observed identity what the policy says: the first one becomes live, because it serves already; another one
 * is a deploy by `external`, or an alarm under `changes: lastgood`. Called after every event, so that one that was seen
 * while an operation was in flight is decided when that has ended.
 */
export function followServing(turn: Turn): void {
  const { state } = turn;
  const seen = state.serving ?? null;
  if (seen === null || seen.handled || state.operation !== null || state.pausedWhy !== null) return;
  const { declared, policy } = state;
  if (!declared) return becomeLive(turn, seen, null);
  const live = liveAt(declared, seen.address);
  if (!live) {
    // The one address of the service is another one now: its configuration said so. Else: not the address that serves.
    if (seen.configured === null) return becomeLive(turn, seen, declared);
    return handled(turn, false);
  }
  const match = isSameIdentity({ digest: live.digest, version: declared.primary }, seen);
  const same = match === 'same' || (match === 'unknown' && (seen.before === null || seen.before === seen.key));
  if (same) return handled(turn, false);
  if (policy.changes === 'external') return becomeLive(turn, seen, declared);
  alarm(turn, seen, declared);
}

function liveAt(declared: RouteRecord, address: string): Backend | undefined {
  return declared.backends[declared.primary]?.find((backend) => backend.address === address);
}

function handled(turn: Turn, alarmed: boolean): void {
  const { serving } = turn.state;
  if (serving) turn.state.serving = { ...serving, handled: true, alarmed };
}

/** It serves already, so no traffic moves: the record says from now on who it is. */
function becomeLive(turn: Turn, seen: SeenServing, declared: RouteRecord | null): void {
  const { state, now } = turn;
  const actor: Actor = { name: 'external', proof: 'external', from: seen.address };
  const facts = versionOf(turn, seen);
  const { version } = facts;
  const means = identityWords(seen.means);
  const previous = declared !== null && declared.primary !== version ? declared.primary : null;
  const judgedGood = state.unmeasuredSince === null && state.degradations.length === 0;
  if (declared)
    turn.record(
      'foreign-change',
      `${seen.address} serves ${version} now, not ${declared.primary}; known by ${means}`,
      { identity: seen.key, before: declared.primary, means: seen.means },
      { actor },
    );
  const record = recordOf(state, seen, facts, declared);
  declare(turn, record, now);
  // What ran before anybody looked was not deployed at the first look: nothing may be laid to that.
  if (declared) changeVersion(turn, version, { deployedAt: now });
  if (previous !== null) {
    if (judgedGood) changeVersion(turn, previous, { lastGoodAt: now });
    state.bake = { version, previous, since: now, until: now + state.policy.bakeMs };
  }
  turn.record(
    'deploy-settled',
    previous === null
      ? `${version} is live: it serves at ${seen.address} already; known by ${means}`
      : `${version} is live, deployed by something else; the limits of ${previous} judge it for ${duration(state.policy.bakeMs)}`,
    { identity: seen.key, means: seen.means, address: seen.address, epoch: record.epoch },
    { actor },
  );
  if (state.incident && state.incident.from !== version) endIncident(turn, `${version} was deployed by something else`);
  turn.effect({ type: 'apply-route', record });
  handled(turn, false);
  forgetOld(turn, [version, previous]);
  if (facts.standing === 'quarantined' || facts.standing === 'revoked') barredServes(turn, seen, facts, record);
  else if (previous !== null) tellDeploy(turn, seen, version, previous);
}

function recordOf(
  state: ServiceState,
  seen: SeenServing,
  { version, digest }: VersionFacts,
  declared: RouteRecord | null,
): RouteRecord {
  const backends: Record<string, readonly Backend[]> = {};
  const keep = (name: string): boolean => {
    const copies = (declared?.backends[name] ?? []).filter(({ address }) => address !== seen.address);
    if (name === version || copies.length === 0) return false;
    backends[name] = copies;
    return true;
  };
  const pins = (declared?.pins ?? []).filter((pin) => keep(pin.version));
  const fallback = declared?.fallback !== undefined && keep(declared.fallback) ? { fallback: declared.fallback } : {};
  backends[version] = [{ address: seen.address, instance: instanceName(state.service, version, 'external'), digest }];
  return { service: state.service, epoch: state.nextEpoch, primary: version, pins, ...fallback, backends };
}

/** The version that is known by this identity, or a new one that only its address tells of. */
function versionOf(turn: Turn, seen: SeenServing): VersionFacts {
  const { state, now } = turn;
  const known = state.versions.find(
    ({ version, digest, observed }) =>
      digest === seen.key ||
      (!observed && seen.version === version && isSameIdentity({ digest, version }, seen) === 'same'),
  );
  if (known) return known;
  const digests = new Map(state.versions.map(({ version, digest }) => [version, digest]));
  const facts: VersionFacts = {
    version: observedName(seen, (name) => digests.get(name)),
    digest: seen.key,
    importedAt: now,
    standing: 'candidate',
    evaluation: { ok: false, why: 'it has no artifact, so no evaluation report' },
    why: `found at ${seen.address}`,
    since: now,
    human: null,
    lastGoodAt: null,
    deployedAt: null,
    probes: 0,
    model: seen.model,
    observed: { means: seen.means, ownAddress: seen.configured !== null },
  };
  state.versions = [...state.versions, facts];
  return facts;
}

/** Every deploy at one address makes a version for ever; what nothing was decided about, and nothing runs, may go. */
function forgetOld(turn: Turn, needed: readonly (string | null)[]): void {
  const { state } = turn;
  const kept = new Set([...needed, state.incident?.from ?? null, state.standby?.version ?? null]);
  const old = state.versions.filter(
    ({ version, observed, standing, human }) =>
      observed && !observed.ownAddress && standing === 'candidate' && human === null && !kept.has(version),
  );
  const gone = new Set(old.slice(0, Math.max(0, old.length - REMEMBERED)).map(({ version }) => version));
  if (gone.size > 0) state.versions = state.versions.filter(({ version }) => !gone.has(version));
}

function tellDeploy(turn: Turn, seen: SeenServing, version: string, previous: string): void {
  const { state } = turn;
  alertService(turn, `foreign-deploy/${state.declared?.epoch ?? 0}`, {
    severity: 'info',
    title: `${state.service}: something else deployed ${version}`,
    wrong: `${seen.address} served ${previous} and serves ${version} now (known by ${identityWords(seen.means)}).`,
    did: `Recorded as a deploy; the limits of ${previous} judge it for ${duration(state.policy.bakeMs)}.`,
    users: usersNow(state),
    must: 'Nothing, if you know of it.',
    command: `lastgood status ${state.service}`,
  });
}

function alarm(turn: Turn, seen: SeenServing, declared: RouteRecord): void {
  const { state } = turn;
  const name = observedName(seen);
  turn.record(
    'foreign-change',
    `${seen.address} serves ${name}, declared is ${declared.primary}; not adopted (changes: lastgood)`,
    { identity: seen.key, declared: declared.primary, means: seen.means },
    { actor: { name: 'external', proof: 'external', from: seen.address } },
  );
  alertService(turn, `foreign-serving/${declared.epoch}/${seen.key.slice(0, 60)}`, {
    severity: 'page',
    title: `${state.service}: another version answers at the address of ${declared.primary}`,
    wrong: `${seen.address} serves ${name} (${seen.key}), which nobody deployed with lastgood.`,
    did: 'Nothing: lastgood does not run what is at this address, and changes: lastgood does not adopt it.',
    users: `served by ${name}, measured under the name of ${declared.primary}`,
    must: `Put ${declared.primary} back at the address, or set changes: external.`,
    command: `lastgood status ${state.service}`,
  });
  handled(turn, true);
}

/** Somebody put a version back that was rolled back from or revoked. */
function barredServes(turn: Turn, seen: SeenServing, facts: VersionFacts, record: RouteRecord): void {
  const { state, now } = turn;
  const { version, standing, why } = facts;
  const revert = state.policy.onForeignQuarantined === 'revert';
  const sentence = `something else put ${version} back at ${seen.address}; it is ${standing}: ${why}`;
  alertService(turn, `foreign-barred/${record.epoch}`, {
    severity: 'page',
    title: `${state.service}: ${version} serves again, and it is ${standing}`,
    wrong: sentence,
    did: revert
      ? 'It is decided like a degradation: the traffic goes to another address, if there is one and nothing holds.'
      : 'Recorded only: onForeignQuarantined is alarm.',
    users: usersNow(state),
    must: 'Stop whatever deploys it; put a good version at the address.',
    command: `lastgood status ${state.service}`,
  });
  if (!revert) return;
  state.degradations = [...state.degradations, foreignDegradation(record, sentence, now)].slice(-20);
}

/** Decided with every brake that a measured degradation has; it ends when another version serves. */
function foreignDegradation(record: RouteRecord, sentence: string, now: number): StandingDegradation {
  return {
    id: `${FOREIGN_DEGRADATION}${record.epoch}`,
    epoch: record.epoch,
    version: record.primary,
    verdict: {
      kind: 'degraded',
      tier: 'immediate',
      metric: 'standing',
      hard: false,
      observed: 0,
      expected: 1,
      ucl: null,
      lcl: null,
      unit: 'ratio',
      samples: 1,
      sinceMs: now,
      onsetMs: now,
      onsetLowMs: null,
      onsetHighMs: null,
      statistic: { name: 'standing of the version', value: 1, threshold: 1, falseAlarmDays: null },
      sentence: sentence.slice(0, 600),
      baseline: 'a version that may serve',
    },
    attribution: 'model',
    reasons: [sentence.slice(0, 300)],
    suppressed: false,
    reportedAt: now,
    decided: 'open',
    heldBy: null,
  };
}
