import { clipped } from '../clipped';
import type { ServicePolicy } from '../policy';
import { figuresOf } from '../rollback/figures';
import type { InputFit } from '../rollback/input-fit';
import { incompatibleOf } from '../rollback/incompatible';
import { hasFigures } from '../rollback/order';
import type { Standing } from '../version';
import { alertService, usersNow } from './messages-for-people';
import type { ServiceState, StoredVersion, VersionFacts } from './state';
import type { Turn } from './turn';

/** Replaces the facts of one version; the ledger gets them whole (through the turn's changed facts). */
export function changeVersion(turn: Turn, version: string, change: Partial<VersionFacts>): void {
  turn.state.versions = turn.state.versions.map((facts) =>
    facts.version === version ? { ...facts, ...change } : facts,
  );
}

export function setStanding(turn: Turn, version: string, standing: Standing, why: string): void {
  const facts = turn.state.versions.find((candidate) => candidate.version === version);
  if (!facts || facts.standing === standing || facts.standing === 'revoked') return;
  // A cause that was once determined is not undetermined again.
  if (facts.standing === 'quarantined' && standing === 'suspect') return;
  changeVersion(turn, version, { standing, why: clipped(why, 160), since: turn.now });
}

/** Only a measurement is worth keeping; it carries its time, so that it goes stale by itself. */
function measuredFit(fit: InputFit | undefined): InputFit | undefined {
  return typeof fit === 'object' ? fit : undefined;
}

/** Learns the versions of the artifact store. What was decided about a version stays; one that vanished is kept as unusable. */
export function learnVersions(turn: Turn, listed: readonly StoredVersion[]): void {
  const { state } = turn;
  const stored = withoutAliases(state, listed);
  if (hasFigures(state)) {
    // Nobody was compared while the router did not answer: what is known stays, it speaks of one live version only.
    if (stored.some(({ incompatible }) => incompatible !== undefined)) state.incompatible = incompatibleOf(stored);
    const { figures, versions } = state;
    const fitBefore = ({ version, digest }: StoredVersion): InputFit | undefined =>
      versions.some((facts) => facts.version === version && facts.digest === digest)
        ? measuredFit(figures?.[version]?.fit)
        : undefined;
    state.figures = figuresOf(stored, { besides: state.incompatible, fitBefore });
  }
  const known = new Map(state.versions.map((facts) => [facts.version, facts]));
  const next = stored.map((info): VersionFacts => {
    const before = known.get(info.version);
    const evaluation = judgeEvaluation(info, state.policy);
    if (before && before.digest === info.digest) {
      const same = before.evaluation.ok === evaluation.ok && before.evaluation.why === evaluation.why;
      return same ? before : { ...before, evaluation };
    }
    // The same name with another content is another version, but no way around what was decided about the name.
    const barred = before?.standing === 'revoked' || before?.standing === 'quarantined' ? before : null;
    return {
      version: info.version,
      digest: info.digest,
      importedAt: info.importedAt,
      standing: barred?.standing ?? 'candidate',
      evaluation,
      why: barred?.why ?? 'imported',
      since: turn.now,
      human: null,
      lastGoodAt: null,
      deployedAt: null,
      probes: info.probes,
      model: info.model,
      ...(info.observed ? { observed: info.observed } : {}),
    };
  });
  const present = new Set(stored.map(({ version }) => version));
  const gone = state.versions
    .filter((facts) => !present.has(facts.version) && !forgettable(state, facts))
    .map((facts) =>
      facts.evaluation.ok
        ? { ...facts, evaluation: { ok: false, why: 'its artifact is not in the store any more' } }
        : facts,
    );
  const merged = [...gone, ...next].sort((a, b) => a.importedAt - b.importedAt);
  const changed = merged.length !== state.versions.length || merged.some((facts) => known.get(facts.version) !== facts);
  if (!changed) return;
  const fresh = next.filter(({ version }) => !known.has(version)).map(({ version }) => version);
  state.versions = merged;
  turn.record(
    'standing-changed',
    fresh.length ? `knows ${fresh.join(', ')} from the artifact store` : 'the artifact store changed',
  );
  tellUnknownMinimum(turn, state.policy);
}

/** A bound that nobody can compare with admits no version: said as soon as a policy or the store says so, not in an outage. */
export function tellUnknownMinimum(turn: Turn, { minimumAcceptable }: ServicePolicy): void {
  const { state } = turn;
  const known = state.versions.map(({ version }) => version);
  if (minimumAcceptable === null || known.length === 0 || known.includes(minimumAcceptable)) return;
  alertService(turn, `minimum-acceptable/${minimumAcceptable}`, {
    severity: 'ticket',
    title: `${state.service}: the minimum acceptable version ${minimumAcceptable} is not known`,
    wrong: `The policy names ${minimumAcceptable}; known are ${known.slice(-10).join(', ')}.`,
    did: 'Accepts no version by itself: no standby, no fallback, no automatic rollback.',
    users: usersNow(state),
    must: 'Correct minimumAcceptable in the configuration, or import that version.',
    command: 'lastgood doctor',
  });
}

/**
 * Something else deployed over the address of a version: what serves there is known under a name of its own, and the
 * configured name must not stand for the same content again.
 */
function withoutAliases({ versions }: ServiceState, listed: readonly StoredVersion[]): readonly StoredVersion[] {
  return listed.filter(
    ({ observed, digest, version }) =>
      !observed || !versions.some((facts) => facts.observed && facts.digest === digest && facts.version !== version),
  );
}

/** Nothing was ever decided about it and nothing runs it: it needs no memory when its artifact is gone. */
function forgettable({ declared, standby }: ServiceState, facts: VersionFacts): boolean {
  const { version, standing, human, lastGoodAt, deployedAt } = facts;
  const decided = standing !== 'candidate' || human !== null || lastGoodAt !== null || deployedAt !== null;
  return !decided && standby?.version !== version && declared?.backends[version] === undefined;
}

/** The policy's thresholds on the evaluation report, by class too. */
export function judgeEvaluation(
  info: Pick<StoredVersion, 'evaluation' | 'probes' | 'observed'>,
  policy: ServicePolicy,
): VersionFacts['evaluation'] {
  const { evaluation, probes } = info;
  const { minAccuracy, minRecall } = policy.validated;
  if (info.observed) return { ok: false, why: 'it has no artifact, so no evaluation report' };
  if (!evaluation) return { ok: false, why: 'it has no evaluation report' };
  if (probes === 0) return { ok: false, why: 'it has no golden probes' };
  if (evaluation.accuracy < minAccuracy)
    return { ok: false, why: `accuracy ${percent(evaluation.accuracy)} is below ${percent(minAccuracy)}` };
  for (const [label, { recall }] of Object.entries(evaluation.byClass))
    if (recall < minRecall)
      return { ok: false, why: `recall of ${label} ${percent(recall)} is below ${percent(minRecall)}` };
  return {
    ok: true,
    why: `accuracy ${percent(evaluation.accuracy)} on ${evaluation.n}`,
  };
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(1)} %`;
}
