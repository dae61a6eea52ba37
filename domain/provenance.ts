import { lastLive, liveThen, recordOf, routeOf, textOf, type LiveThen } from './live-then';
import type { ChainedEntry } from './ledger';

/** Why a request went where it went, as the answer record says it. */
export type AnswerReason = 'primary' | 'pin' | 'fallback' | 'share' | 'drill';

export interface Provenance {
  /** The declared state of that moment. */
  readonly declared: LiveThen;
  /** The version that is asked about: the one that answered, else the one that was live. */
  readonly version: string | null;
  readonly reason: AnswerReason;
  /** How it came to its traffic: as the primary, or before the moment as the primary of then (`pin`). */
  readonly madeLive: ChainedEntry | null;
  readonly decision: ChainedEntry | null;
  /** What else lets it answer: a fallback named beforehand and begun, a share, a drill, approvals; oldest first. */
  readonly because: readonly ChainedEntry[];
  /** Persons who vouched for it up to the moment, oldest first; empty where it was revoked after. */
  readonly vouched: readonly ChainedEntry[];
  /** What the policy's thresholds said of its evaluation report when it was judged last up to then, with that entry's number. */
  readonly judged: { readonly ok: boolean; readonly why: string; readonly digest: string; readonly seq: number } | null;
}

/** Entries of one chain up to the moment, oldest first. `version` and `reason`: of an answer, where it is about one. */
export function provenanceOf(
  service: string,
  at: number,
  entries: readonly ChainedEntry[],
  answered: { readonly version: string; readonly reason: AnswerReason } | null,
): Provenance {
  const until = entries.filter((entry) => entry.at <= at);
  const declared = liveThen(service, at, until);
  const version = answered?.version ?? declared.version;
  const reason = answered?.reason ?? 'primary';
  const came = version === null || version === declared.version ? declared : lastLive(version, at, until);
  const granted = reason === 'share' || reason === 'drill' || reason === 'fallback' ? null : came;
  return {
    declared,
    version,
    reason,
    madeLive: granted?.madeLive ?? null,
    decision: granted?.decision ?? null,
    because: version === null ? [] : [...letBy(reason, version, until), ...approvals(granted?.decision ?? null, until)],
    vouched: version === null ? [] : vouchers(version, until),
    judged: version === null ? null : judgementOf(version, until),
  };
}

function letBy(reason: AnswerReason, version: string, entries: readonly ChainedEntry[]): ChainedEntry[] {
  const last = (test: (entry: ChainedEntry) => boolean): ChainedEntry[] => entries.filter(test).slice(-1);
  const named = (entry: ChainedEntry, field: string): boolean => textOf(entry.facts, field) === version;
  switch (reason) {
    case 'primary':
    case 'pin':
      return [];
    case 'fallback':
      return [
        ...last((entry) => entry.kind === 'fallback-declared' && textOf(routeOf(entry) ?? {}, 'fallback') === version),
        ...last((entry) => entry.kind === 'fallback-began' && named(entry, 'version')),
      ];
    case 'share': {
      const shared = last((entry) => {
        const share = recordOf(routeOf(entry) ?? {}, 'share');
        return share !== null && textOf(share, 'version') === version && textOf(share, 'drill') === null;
      });
      const operation = shared[0] ? textOf(shared[0].facts, 'operation') : null;
      const decided = entries.filter(
        ({ kind, facts }) =>
          kind.endsWith('-decided') && operation !== null && textOf(facts, 'operation') === operation,
      );
      return [...decided.slice(-1), ...shared];
    }
    case 'drill': {
      const [shared] = last((entry) => entry.kind === 'drill-shared' && named(entry, 'version'));
      const drill = shared ? textOf(shared.facts, 'drill') : null;
      const decided = last((entry) => entry.kind === 'drill-decided' && textOf(entry.facts, 'drill') === drill);
      return [...decided, ...(shared ? [shared] : [])];
    }
  }
}

/** What persons said to the incident of the decision before its traffic moved. */
function approvals(decision: ChainedEntry | null, entries: readonly ChainedEntry[]): ChainedEntry[] {
  if (decision === null || decision.incident === null) return [];
  return entries.filter(
    ({ kind, incident, seq, facts, summary }) =>
      kind === 'operator-act' &&
      textOf(facts, 'act') === 'approve' &&
      seq !== decision.seq &&
      (incident === decision.incident || summary.includes(`incident ${decision.incident}`)),
  );
}

/** A revocation takes every earlier word back. */
function vouchers(version: string, entries: readonly ChainedEntry[]): ChainedEntry[] {
  const acts = entries.filter(({ kind, summary }) => {
    if (kind !== 'operator-act') return false;
    return summary.startsWith(`vouches for ${version}, by `) || summary.startsWith(`revokes ${version}, by `);
  });
  const revoked = acts.findLastIndex(({ facts }) => textOf(facts, 'act') === 'revoke');
  return acts.slice(revoked + 1);
}

function judgementOf(version: string, entries: readonly ChainedEntry[]): Provenance['judged'] {
  for (const entry of entries.toReversed()) {
    const listed = recordOf(entry.facts, 'changes')?.['versions'];
    const facts = (Array.isArray(listed) ? listed : []).find(
      (one): one is ChainedEntry['facts'] => isRecord(one) && one['version'] === version,
    );
    const evaluation = facts && recordOf(facts, 'evaluation');
    if (!facts || !evaluation) continue;
    const ok = evaluation['ok'] === true;
    return { ok, why: textOf(evaluation, 'why') ?? '', digest: textOf(facts, 'digest') ?? '', seq: entry.seq };
  }
  return null;
}

function isRecord(value: unknown): value is ChainedEntry['facts'] {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether earlier entries could change the answer: who was live before is known, and so is the decision. */
export function isSettledBy(provenance: Provenance, entries: readonly ChainedEntry[]): boolean {
  const { declared, madeLive, decision, judged } = provenance;
  const first = entries[0];
  if (first === undefined || first.seq <= 1) return true;
  if (declared.version === null || judged === null) return false;
  const begins = declared.madeLive === null ? null : liveThen(declared.service, declared.madeLive.at - 1, entries);
  const known = provenance.version === declared.version || madeLive !== null || provenance.because.length > 0;
  return (
    begins !== null &&
    begins.version !== null &&
    declared.decision !== null &&
    known &&
    (madeLive === null || decision !== null)
  );
}
