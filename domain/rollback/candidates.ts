import type { ServiceState, VersionFacts } from '../service/state';
import type { Candidate } from './operation';

/**
 * A proof that was told to hold counts this long. The guard repeats it every `proofIntervalMs` (10 s), tells the service
 * only when it changes and every 10 minutes, and withdraws it by a failure report; half of that is allowed for a lost one.
 * Readiness and digest are looked at once more by the shift itself.
 */
export const PROOF_TOLD_WITHIN_MS = 15 * 60_000;

/** Who could take the traffic, best first, and why the others may not. */
export interface Ranking {
  readonly candidates: readonly Candidate[];
  readonly refused: readonly { readonly version: string; readonly why: string }[];
}

/**
 * Ranks the versions for a rollback (I8). Known good ones first, newest last-good moment first; then older versions
 * whose evaluation meets the policy; suspects only after those. `hold` keeps to the versions that a person vouched for.
 */
export function rankCandidates(state: ServiceState, now: number, only: 'any' | 'hold' = 'any'): Ranking {
  const live = state.declared?.primary ?? null;
  const refused: { version: string; why: string }[] = [];
  const usable: { facts: VersionFacts; rank: number; why: string }[] = [];
  for (const facts of state.versions) {
    const why = facts.version === live ? 'is live' : unusable(state, facts, live, only);
    if (why !== null) refused.push({ version: facts.version, why });
    else usable.push({ facts, ...placeOf(facts, only) });
  }
  usable.sort((a, b) => a.rank - b.rank || goodness(b.facts, only) - goodness(a.facts, only));
  const candidates = usable
    .slice(0, state.policy.attempts.maxCandidates)
    .map(({ facts, why }) => candidateOf(state, facts, why, now));
  return { candidates, refused };
}

/** One named version as a candidate, whatever its rank; the caller has checked that it may be chosen. */
export function candidateOf(state: ServiceState, facts: VersionFacts, why: string, now: number): Candidate {
  const { standby, policy } = state;
  const fresh =
    standby !== null &&
    standby.version === facts.version &&
    standby.proof === 'ok' &&
    standby.proofAt !== null &&
    now - standby.proofAt <= Math.max(PROOF_TOLD_WITHIN_MS, policy.standby.proofMaxAgeMs);
  return {
    version: facts.version,
    digest: facts.digest,
    why,
    warm: fresh ? { ...standby.backend, proofAt: standby.proofAt } : null,
  };
}

/** Why the machine may not choose this version; null when it may. */
export function unusable(
  state: ServiceState,
  facts: VersionFacts,
  live: string | null,
  only: 'any' | 'hold' = 'any',
): string | null {
  if (facts.standing === 'revoked') return `revoked: ${facts.why}`;
  if (facts.standing === 'quarantined') return `quarantined: ${facts.why}`;
  if (only === 'hold') {
    if (facts.human === null) return 'no person vouched for it';
    if (facts.standing === 'suspect') return `suspect: ${facts.why}`;
  }
  if (!facts.evaluation.ok && !vouchedAtItsAddress(facts)) return `not validated: ${facts.evaluation.why}`;
  const { minimumAcceptable } = state.policy;
  if (minimumAcceptable !== null) {
    const minimum = state.versions.find((other) => other.version === minimumAcceptable);
    // A bound that bounds nothing would be a way down for whoever can push metrics.
    if (!minimum) return `the minimum acceptable ${minimumAcceptable} is not known, so nothing can be compared with it`;
    if (facts.importedAt < minimum.importedAt) return `older than the minimum acceptable ${minimumAcceptable}`;
  }
  const liveFacts = state.versions.find((other) => other.version === live);
  if (liveFacts && facts.lastGoodAt === null && facts.human === null && facts.importedAt > liveFacts.importedAt)
    return `newer than ${liveFacts.version} and never ${facts.deployedAt === null ? 'live' : 'judged good'}`;
  if (state.incident?.dropped.includes(facts.version)) return 'failed a step in this incident';
  return null;
}

/** No artifact, so no report: a person's word stands for it, where its address lets the traffic be moved to it. */
function vouchedAtItsAddress({ observed, human }: VersionFacts): boolean {
  return observed?.ownAddress === true && human !== null;
}

function placeOf(facts: VersionFacts, only: 'any' | 'hold'): { rank: number; why: string } {
  if (only === 'hold') return { rank: 0, why: `${facts.human?.by ?? 'a person'} vouched for it` };
  if (facts.standing === 'suspect') return { rank: 2, why: 'nothing better is left; its cause was never determined' };
  if (facts.lastGoodAt !== null) return { rank: 0, why: 'was live and judged good' };
  return { rank: 1, why: 'validated, never live' };
}

function goodness(facts: VersionFacts, only: 'any' | 'hold'): number {
  if (only === 'hold') return facts.human?.at ?? 0;
  return facts.lastGoodAt ?? facts.importedAt;
}

/** For people: why no version may be chosen. */
export function nobodyMayServe(refused: readonly { readonly version: string; readonly why: string }[]): string {
  const reasons = refused.filter(({ why }) => why !== 'is live').map(({ version, why }) => `${version}: ${why}`);
  return `no version may take the traffic (${reasons.slice(0, 6).join('; ') || 'there is no other version'})`;
}
