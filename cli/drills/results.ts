import { numberOf, recordOf, textOf } from '../story/facts';
import type { Entry } from '../types';

export const stages = ['detect', 'decide', 'shift', 'restore'] as const;
export type Stage = (typeof stages)[number];

/** One drill as its last entry tells it. */
export interface DrillResult {
  readonly drill: string;
  readonly endedAt: number;
  readonly way: string;
  readonly version: string;
  readonly outcome: string;
  readonly why: string;
  readonly degrade: Readonly<Record<string, unknown>> | null;
  readonly answers: number | null;
  readonly slower: string | null;
  readonly evidence: string | null;
  /** When its version began to answer, and when that was over: for whoever looks for what a live drill answered. */
  readonly window: { readonly from: number | null; readonly to: number };
  /** ms; null where it did not come to that. */
  readonly took: Readonly<Record<Stage, number | null>>;
  /** Onset to restored. */
  readonly exposedMs: number | null;
}

export function resultOf({ at, facts, summary }: Entry): DrillResult | null {
  const drill = textOf(facts, 'drill');
  if (drill === null) return null;
  const moment = (name: string): number | null => numberOf(facts, name);
  const [onset, detected, decided] = [moment('onsetAt'), moment('detectedAt'), moment('decidedAt')];
  const [shifted, restored] = [moment('shiftedAt'), moment('restoredAt')];
  return {
    drill,
    endedAt: at,
    way: textOf(facts, 'way') ?? '?',
    version: textOf(facts, 'version') ?? '?',
    outcome: textOf(facts, 'outcome') ?? '?',
    why: textOf(facts, 'why') ?? summary,
    degrade: recordOf(facts, 'degrade'),
    answers: moment('answers'),
    slower: textOf(facts, 'slower'),
    evidence: textOf(facts, 'evidence'),
    window: { from: moment('sharedAt'), to: shifted ?? at },
    took: {
      detect: between(onset, detected),
      decide: between(detected, decided),
      shift: between(decided, shifted),
      restore: between(shifted, restored),
    },
    exposedMs: between(onset, restored),
  };
}

/** The newest time at which users' own traffic went the whole way: an incident's rollback, or a live drill that passed. */
export interface LastProven {
  readonly at: number;
  readonly by: string;
}

export function lastProven(settled: readonly Entry[], drills: readonly DrillResult[]): LastProven | null {
  const incidents = settled.map(({ at, incident }) => ({ at, by: `incident ${incident ?? '?'}` }));
  const live = drills
    .filter(({ way, outcome }) => way === 'live' && outcome === 'passed')
    .map(({ endedAt, drill }) => ({ at: endedAt, by: `live drill ${drill}` }));
  return [...incidents, ...live].sort((a, b) => b.at - a.at)[0] ?? null;
}

/** Clocks of two machines may cross by a little. */
function between(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : Math.max(0, to - from);
}
