import type { Entry, Facts } from '../types';
import { consideredOf, type Considered } from './considered';
import { listOf, numberOf, recordOf, textOf } from './facts';

/** One incident (or manual operation) as its ledger entries tell it; nothing else is asked. */
export interface IncidentStory {
  readonly service: string;
  readonly id: string;
  readonly entries: readonly Entry[];
  readonly from: string | null;
  readonly to: string | null;
  /** Every version that served in it, one after the other: a hold move goes on from where the rollback went. */
  readonly path: readonly string[];
  readonly outcome: Outcome;
  readonly evidence: Evidence | null;
  readonly attribution: string | null;
  readonly reasons: readonly string[];
  readonly decision: Decision | null;
  /** Null in ledgers of older releases, and where nothing was weighed. */
  readonly considered: Considered | null;
  readonly dropped: readonly { readonly version: string; readonly step: string; readonly why: string }[];
  readonly times: Times;
  readonly verified: { readonly goodAnswers: number; readonly ms: number; readonly byProbesOnly: boolean } | null;
}

export type Outcome =
  | 'in progress'
  | 'settled'
  | 'settled and confirmed'
  | 'waiting for a human'
  | 'held'
  | 'refused'
  | 'not deployed'
  | 'ended';

/** The verdict that the decision was taken on. */
export interface Evidence {
  readonly metric: string;
  readonly tier: string;
  readonly sentence: string;
  readonly observed: number | null;
  readonly expected: number | null;
  readonly ucl: number | null;
  readonly lcl: number | null;
  readonly unit: string | null;
  readonly samples: number | null;
  readonly sinceMs: number | null;
  readonly onset: { readonly at: number; readonly low: number | null; readonly high: number | null } | null;
  readonly statistic: {
    readonly name: string;
    readonly value: number;
    readonly threshold: number;
    readonly falseAlarmDays: number | null;
  } | null;
  readonly baseline: string | null;
}

export interface Decision {
  readonly at: number;
  readonly by: string;
  readonly summary: string;
  readonly procedure: string | null;
  readonly candidates: readonly string[];
  readonly refused: readonly string[];
  readonly approvedBy: string | null;
  readonly overrides: readonly string[];
}

/** Moments of the exposure; null where it has not come to that, or was not recorded. */
export interface Times {
  readonly onsetAt: number | null;
  readonly detectedAt: number | null;
  readonly decidedAt: number | null;
  readonly preparedAt: number | null;
  readonly shiftedAt: number | null;
  readonly settledAt: number | null;
}

/** Entries of one incident, oldest first, with what led to it (the verdict is recorded before the incident opens). */
export function tellStory(id: string, entries: readonly Entry[]): IncidentStory {
  const decided = entries.find(({ kind }) => kind === 'rollback-decided') ?? null;
  // The hold move settles the same incident again: its users were restored by the first.
  const settled = entries.findLast((entry) => entry.kind === 'settled' && !isHoldMove(entry, entries)) ?? null;
  const shifted = entries.filter(({ kind, at }) => kind === 'traffic-shifted' && (!decided || at >= decided.at));
  const held = entries.find(({ kind }) => kind === 'rollback-held' || kind === 'rollback-refused') ?? null;
  const verdictEntry = decided && recordOf(decided.facts, 'verdict') ? decided : held;
  const verdict = verdictEntry ? recordOf(verdictEntry.facts, 'verdict') : null;
  const began = beganOf(entries, verdict);
  const evidence = verdict ? evidenceOf(verdict) : began ? evidenceOfBegan(began) : null;
  const end = settled?.facts ?? {};
  return {
    service: entries[0]?.service ?? '',
    id,
    entries,
    from: textOf(end, 'from') ?? textOf(verdictEntry?.facts ?? {}, 'version') ?? textOf(began?.facts ?? {}, 'version'),
    to: textOf(end, 'to') ?? lastTarget(shifted),
    path: pathOf(entries, shifted),
    outcome: outcomeOf(entries),
    evidence,
    attribution:
      textOf(decided?.facts ?? {}, 'attribution') ??
      (held?.kind === 'rollback-refused' ? 'environment' : textOf(began?.facts ?? {}, 'attribution')),
    reasons: reasonsOf(verdictEntry?.facts ?? null, began?.facts ?? null),
    decision: decided ? decisionOf(decided) : null,
    considered: consideredOf(entries),
    dropped: droppedOf(entries),
    times: {
      onsetAt: numberOf(end, 'onsetAt') ?? evidence?.onset?.at ?? null,
      detectedAt: numberOf(end, 'detectedAt') ?? began?.at ?? null,
      decidedAt: numberOf(end, 'decidedAt') ?? decided?.at ?? null,
      preparedAt: numberOf(end, 'preparedAt'),
      shiftedAt: numberOf(end, 'shiftedAt') ?? shifted.at(-1)?.at ?? null,
      settledAt: numberOf(end, 'settledAt') ?? settled?.at ?? null,
    },
    verified: verifiedOf(end),
  };
}

function beganOf(entries: readonly Entry[], verdict: Facts | null): Entry | null {
  const began = entries.filter(({ kind, facts }) => kind === 'degradation-began' && textOf(facts, 'metric') !== null);
  const metric = verdict ? textOf(verdict, 'metric') : null;
  return began.findLast(({ facts }) => textOf(facts, 'metric') === metric) ?? began[0] ?? null;
}

export function evidenceOf(verdict: Facts): Evidence {
  const statistic = recordOf(verdict, 'statistic');
  const onsetAt = numberOf(verdict, 'onsetMs');
  return {
    metric: textOf(verdict, 'metric') ?? '?',
    tier: textOf(verdict, 'tier') ?? '?',
    sentence: textOf(verdict, 'sentence') ?? '',
    observed: numberOf(verdict, 'observed'),
    expected: numberOf(verdict, 'expected'),
    ucl: numberOf(verdict, 'ucl'),
    lcl: numberOf(verdict, 'lcl'),
    unit: textOf(verdict, 'unit'),
    samples: numberOf(verdict, 'samples'),
    sinceMs: numberOf(verdict, 'sinceMs'),
    onset:
      onsetAt === null
        ? null
        : { at: onsetAt, low: numberOf(verdict, 'onsetLowMs'), high: numberOf(verdict, 'onsetHighMs') },
    statistic: statistic
      ? {
          name: textOf(statistic, 'name') ?? '?',
          value: numberOf(statistic, 'value') ?? 0,
          threshold: numberOf(statistic, 'threshold') ?? 0,
          falseAlarmDays: numberOf(statistic, 'falseAlarmDays'),
        }
      : null,
    baseline: textOf(verdict, 'baseline'),
  };
}

/** The entry of the begin names the onset's facts a little differently from the verdict. */
export function evidenceOfBegan({ facts, summary }: Entry): Evidence {
  return evidenceOf({
    ...facts,
    sentence: summary,
    onsetMs: numberOf(facts, 'onsetAt'),
    onsetLowMs: numberOf(facts, 'onsetLow'),
    onsetHighMs: numberOf(facts, 'onsetHigh'),
  });
}

function reasonsOf(decided: Facts | null, began: Facts | null): readonly string[] {
  const first = decided ? listOf(decided, 'reasons') : [];
  return first.length > 0 ? first : began ? listOf(began, 'reasons') : [];
}

export function decisionOf({ at, actor, summary, facts }: Entry): Decision {
  return {
    at,
    by: actor.name,
    summary,
    procedure: textOf(facts, 'procedure'),
    candidates: listOf(facts, 'candidates'),
    refused: listOf(facts, 'refused'),
    approvedBy: textOf(facts, 'approvedBy'),
    overrides: listOf(facts, 'overrides'),
  };
}

function droppedOf(entries: readonly Entry[]): IncidentStory['dropped'] {
  return entries
    .filter(({ kind }) => kind === 'candidate-dropped')
    .map(({ facts, summary }) => ({
      version: textOf(facts, 'version') ?? '?',
      step: textOf(facts, 'step') ?? '?',
      why: textOf(facts, 'why') ?? summary,
    }));
}

function verifiedOf(facts: Facts): IncidentStory['verified'] {
  const verified = recordOf(facts, 'verified');
  if (!verified) return null;
  return {
    goodAnswers: numberOf(verified, 'goodAnswers') ?? 0,
    ms: numberOf(verified, 'ms') ?? 0,
    byProbesOnly: verified['byProbesOnly'] === true,
  };
}

function lastTarget(shifted: readonly Entry[]): string | null {
  for (const entry of [...shifted].reverse()) {
    const route = recordOf(recordOf(entry.facts, 'changes') ?? {}, 'route');
    const to = textOf(entry.facts, 'to') ?? (route ? textOf(route, 'primary') : null);
    if (to !== null) return to;
  }
  return null;
}

/** Older ledgers do not say it of the entry; the breaker had opened on what settled before. */
function isHoldMove({ seq, facts }: Entry, entries: readonly Entry[]): boolean {
  if (facts['holdMove'] === true) return true;
  return entries.some(
    (other) => other.kind === 'rollback-decided' && other.seq < seq && other.summary.startsWith('hold move to '),
  );
}

function pathOf(entries: readonly Entry[], shifted: readonly Entry[]): readonly string[] {
  const path: string[] = [];
  for (const { facts } of [...shifted, ...entries.filter(({ kind }) => kind === 'settled')].sort(
    (a, b) => a.seq - b.seq,
  )) {
    const from = textOf(facts, 'from');
    const to = textOf(facts, 'to');
    if (from === null || to === null) continue;
    if (path.length === 0) path.push(from);
    if (path.at(-1) !== to) path.push(to);
  }
  return path;
}

/** A hold on what has ended since is past: nothing waits for it any more. */
function withoutPastHolds(entries: readonly Entry[]): readonly Entry[] {
  const standing = entries.findLast(({ kind }) => kind === 'degradation-began' || kind === 'degradation-ended');
  if (standing?.kind !== 'degradation-ended') return entries;
  const isPast = ({ kind, seq, facts }: Entry): boolean =>
    kind === 'rollback-held' && seq < standing.seq && !('until' in facts);
  return entries.some((entry) => entry.kind === 'settled') ? entries.filter((entry) => !isPast(entry)) : entries;
}

/** By the newest entry that says how it stands. */
function outcomeOf(all: readonly Entry[]): Outcome {
  const entries = withoutPastHolds(all);
  for (const { kind } of [...entries].reverse()) {
    switch (kind) {
      case 'confirmed':
        return 'settled and confirmed';
      case 'settled':
      case 'deploy-settled':
        return 'settled';
      case 'deploy-refused':
        return 'not deployed';
      case 'waiting-for-human':
        return 'waiting for a human';
      case 'rollback-decided':
      case 'step-began':
      case 'step-succeeded':
      case 'traffic-shifted':
        return 'in progress';
      case 'rollback-held':
        return 'held';
      case 'rollback-refused':
        return 'refused';
      case 'incident-ended':
        if (!entries.some((entry) => entry.kind === 'confirmed')) return 'ended';
        break;
      default:
    }
  }
  return 'in progress';
}
