import type { ServiceState, VersionFacts } from '../service/state';
import { fitWords, noneFits } from './figure-words';
import { incompatibility } from './incompatible';
import type { Candidate } from './operation';
import { compareFor, hasFigures, targetPolicy, weigh, type Weighed } from './order';

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
  /** All that may be chosen, best first, also those beyond the number of attempts. */
  readonly usable: readonly Weighed[];
  /** Said where every version that may be chosen differs too much from the inputs of now; null elsewhere. */
  readonly noneFits: string | null;
}

export interface RankOptions {
  /** Keeps to the versions that a person vouched for. */
  readonly only?: 'any' | 'hold';
  /** Users are hurt now: what runs and is proven goes first. */
  readonly emergency?: boolean;
  /** A version that differs too much from the inputs of now is left to a person. */
  readonly onlyFitting?: boolean;
}

/**
 * Ranks the versions for a rollback (I8), by the policy's order: known good ones before others where nothing else is
 * said, suspects last. `hold` keeps to the versions that a person vouched for, whatever the policy says.
 */
export function rankCandidates(state: ServiceState, now: number, only: 'any' | 'hold' | RankOptions = 'any'): Ranking {
  const options = typeof only === 'string' ? { only } : only;
  const hold = options.only === 'hold';
  const live = state.declared?.primary ?? null;
  const refused: { version: string; why: string }[] = [];
  const usable: Weighed[] = [];
  for (const facts of state.versions) {
    const why = facts.version === live ? 'is live' : unusable(state, facts, live, hold ? 'hold' : 'any');
    if (why !== null) refused.push({ version: facts.version, why });
    else {
      const place = placeOf(facts, hold ? 'hold' : 'any');
      usable.push(weigh(state, facts, { warm: warmCopy(state, facts, now) !== null, why: place.why }, now));
    }
  }
  usable.sort(
    hasFigures(state) && !hold ? compareFor(state, options.emergency ?? false) : byGoodness(hold ? 'hold' : 'any'),
  );
  const { order, maxDistance } = targetPolicy(state);
  const differing = hold || order !== 'closest-profile' ? [] : usable.filter(({ band }) => band === 'differs');
  const leftOut = new Set(options.onlyFitting ? differing : []);
  for (const { facts, fit } of leftOut) refused.push({ version: facts.version, why: fitWords(fit, maxDistance) });
  const candidates = usable
    .filter((weighed) => !leftOut.has(weighed))
    .slice(0, state.policy.attempts.maxCandidates)
    .map((weighed) => candidateOf(state, weighed.facts, whyOf(state, weighed, hold), now));
  const nothing = usable.length > 0 && differing.length === usable.length;
  return { candidates, refused, usable, noneFits: nothing ? noneFits(usable, maxDistance) : null };
}

/** What its place rests on; the fit where it was measured, or where the policy asks for it. */
function whyOf(state: ServiceState, { fit, why }: Weighed, hold: boolean): string {
  if (!hasFigures(state)) return why;
  const { order, maxDistance } = targetPolicy(state);
  const said = typeof fit === 'object' || (order === 'closest-profile' && !hold);
  return said ? `${why}; ${fitWords(fit, maxDistance)}` : why;
}

/** The order of rules 1, and of the hold move: newest good moment, or newest word of a person, first. */
function byGoodness(only: 'any' | 'hold'): (left: Weighed, right: Weighed) => number {
  return ({ facts: a }, { facts: b }) =>
    placeOf(a, only).rank - placeOf(b, only).rank || goodness(b, only) - goodness(a, only);
}

/** One named version as a candidate, whatever its rank; the caller has checked that it may be chosen. */
export function candidateOf(state: ServiceState, facts: VersionFacts, why: string, now: number): Candidate {
  return { version: facts.version, digest: facts.digest, why, warm: warmCopy(state, facts, now) };
}

function warmCopy({ standby, policy }: ServiceState, { version }: VersionFacts, now: number): Candidate['warm'] {
  const fresh =
    standby !== null &&
    standby.version === version &&
    standby.proof === 'ok' &&
    standby.proofAt !== null &&
    now - standby.proofAt <= Math.max(PROOF_TOLD_WITHIN_MS, policy.standby.proofMaxAgeMs);
  return fresh ? { ...standby.backend, proofAt: standby.proofAt } : null;
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
  const incompatible = hasFigures(state) ? incompatibility(state, facts.version, live) : null;
  return incompatible === null ? null : `not compatible: ${incompatible}`;
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
