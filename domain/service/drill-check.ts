import type { Check } from './check';
import { instanceName, LIVE_DRILL_SHARE_MAX } from '../route';
import { blockedBy } from './readiness';
import type { DrillInput, DrillPolicy, DrillWay } from '../drill';
import type { OperatorMessage } from './messages';
import { loadedCopies } from './retiring';
import type { ServiceState, VersionFacts } from './state';

export type DrillMessage = Extract<OperatorMessage, { name: 'drill' }>;

const fine: Check = { ok: true };
const no = (why: string): Check => ({ ok: false, why });
const noLiveDrills: DrillPolicy = { live: false, maxShare: 0, maxLiveMs: 0 };

/** May a drill begin now? Each reason says what is in the way. `inFreeze`: a freeze window is in force. */
export function checkDrill(state: ServiceState, message: DrillMessage, now: number, inFreeze: boolean): Check {
  const why = placeInTheWay(state, now, inFreeze) ?? notLive(state, message) ?? notThisVersion(state, message);
  return why === null ? fine : no(why);
}

/** A drill needs a service at rest: what it proves is the path from a good state, and nothing real may be hidden by it. */
function placeInTheWay(state: ServiceState, now: number, inFreeze: boolean): string | null {
  const { declared, operation, incident, drill, standby, degradations, environment } = state;
  if (!declared) return 'nothing is live yet; deploy a version first';
  if (drill) return `drill ${drill.id} is under way; lastgood cancel ${state.service} ends it`;
  if (operation) return `${operation.kind} ${operation.id} is in flight (step ${operation.step})`;
  if (incident) return `incident ${incident.id} is open (${incident.phase})`;
  const blocked = blockedBy({ ...state, mode: 'act' }, now);
  if (blocked !== null) return blocked;
  if (inFreeze) return 'a freeze window is in force';
  if (state.fallbackInUse) return `the router serves by its fallback ${state.fallbackInUse.version}`;
  if (declared.gap) return 'nobody serves at the moment, by decision';
  if (declared.share) return `${declared.share.version} has a share of the traffic already`;
  const [first] = degradations;
  if (first) return `${first.verdict.metric} is degraded on ${first.version}`;
  const unusual = environmentAlarm(environment);
  if (unusual !== null) return `the environment is not as usual: ${unusual}`;
  if (state.live !== undefined && state.live.condition !== 'answers') return `${declared.primary} does not answer`;
  if (standby?.proof === 'ok') return null;
  return standby
    ? `the standby ${standby.version} is not proven (${standby.why || standby.proof}): nothing could take over from a real incident`
    : 'there is no standby: nothing could take over from a real incident';
}

/** What is not measured is neither good nor bad (I10): it keeps no drill from beginning and ends none. */
export function environmentAlarm(environment: readonly string[]): string | null {
  return environment.find((finding) => !finding.endsWith(': not measured')) ?? null;
}

function notLive(state: ServiceState, { way, share, forMs, actor }: DrillMessage): string | null {
  if (way !== 'live') return null;
  const { live, maxShare, maxLiveMs } = state.policy.drills ?? noLiveDrills;
  if (state.policy.regulated === true) return 'the service is regulated: no user is served worse on purpose';
  if (!live) return 'the policy allows no live drills (drills.live); without --live no user sees it';
  if (state.mode !== 'act') return `mode ${state.mode}: nothing would lead users back by itself`;
  const proof = actor?.proof ?? 'unverified';
  if (proof === 'unverified') return 'nobody proved who asks for a live drill';
  if (proof === 'lastgood') return 'a live drill is asked for by a person, each time';
  const most = Math.min(maxShare, LIVE_DRILL_SHARE_MAX);
  if (share > most) return `a live drill may take ${most * 100} % of the requests at most, asked for ${share * 100} %`;
  if (forMs > maxLiveMs) return `a live drill may last ${maxLiveMs} ms at most (drills.maxLive), asked for ${forMs} ms`;
  if (state.bake) return `${state.bake.version} is in its bake period`;
  return null;
}

function notThisVersion(state: ServiceState, { way, version, degrade }: DrillMessage): string | null {
  const live = state.declared?.primary;
  if (degrade !== undefined)
    return version === undefined || version === live ? null : `the degrading layer stands before ${live ?? '?'} only`;
  if (version === undefined) return 'name the worse version, or how the live one is degraded';
  const facts = state.versions.find((one) => one.version === version);
  if (!facts) return `version ${version} is not in the artifact store`;
  return unfit(state, facts, way);
}

function unfit(state: ServiceState, facts: VersionFacts, way: DrillWay): string | null {
  const { version, standing, why, evaluation } = facts;
  if (version === state.declared?.primary) return `${version} is live: a drill needs a worse one, or a degrading layer`;
  if ([state.standby?.version, state.preparing?.version, state.declared?.fallback].includes(version))
    return `${version} is the standby: nothing else could take over`;
  if (standing === 'quarantined' || standing === 'revoked' || standing === 'suspect')
    return `${version} is ${standing}: ${why}`;
  // What nobody sees may be as bad as it is.
  if (way === 'live' && !evaluation.ok) return `${version} is not validated: ${evaluation.why}; users must not get it`;
  if (state.policy.swap) return 'memory holds one copy: a drill here needs the degrading layer';
  if (state.retiring.some((copy) => copy.version === version)) return `a copy of ${version} is just being retired`;
  const most = state.policy.copiesLoadedMax * (state.policy.replicas?.hosts.length ?? 1);
  return loadedCopies(state) < most
    ? null
    : `${loadedCopies(state)} copies are loaded, and no more than ${most} may be`;
}

/** The start of the drill's workflow. */
export function drillInput(state: ServiceState, message: DrillMessage, id: string): DrillInput {
  const live = state.versions.find(({ version }) => version === state.declared?.primary);
  const liveVersion = state.declared?.primary ?? '';
  const version = message.degrade ? liveVersion : (message.version ?? '');
  const facts = state.versions.find((one) => one.version === version);
  const { service, host, policy } = state;
  const liveDigest = live?.digest ?? state.declared?.backends[liveVersion]?.[0]?.digest ?? '';
  return {
    service,
    drill: id,
    way: message.way,
    version,
    digest: message.degrade ? liveDigest : (facts?.digest ?? ''),
    instance: message.degrade ? null : instanceName(service, version, id),
    model: facts?.model ?? live?.model ?? service,
    live: { version: liveVersion, digest: liveDigest },
    host,
    forMs: message.forMs,
    expect: message.expect ?? null,
    degraded: message.degrade !== undefined,
    steps: policy.steps,
    verify: policy.verify,
    detection: policy.detection,
  };
}
