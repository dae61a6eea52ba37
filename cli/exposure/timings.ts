import { resultOf, type DrillResult } from '../drills/results';
import type { Entry } from '../types';
import { numberOf, textOf } from '../story/facts';

export const parts = ['detect', 'decide', 'prepare', 'shift', 'verify'] as const;
export type Part = (typeof parts)[number];

/** One incident whose rollback settled, as its ledger entries timed it. */
export interface Timing {
  readonly incident: string;
  readonly tier: string;
  readonly settledAt: number;
  /** ms; null where the ledger does not have both moments. */
  readonly took: Readonly<Record<Part, number | null>>;
  /** ms from the onset until new requests went to the target. */
  readonly exposed: number | null;
  /** ms of all loads of its candidates; null: nothing had to be loaded, a copy was warm. */
  readonly loadMs: number | null;
}

export interface Timings {
  readonly settled: readonly Timing[];
  /** Rollbacks that were decided in that time and have not settled. */
  readonly unsettled: number;
  /** Oldest ones that were not held. */
  readonly leftOut: number;
  readonly drills: DrillTimings;
}

/** Drills are apart from incidents: they were made, and a mirrored one moves no user. */
export interface DrillTimings {
  readonly passed: readonly DrillResult[];
  /** Drills that ended in another way; what they took is what gave out first. */
  readonly others: number;
  /** Oldest ones that passed and were not held. */
  readonly leftOut: number;
}

/** What `TimingFold` reads; the others need not be asked for. */
export const timingKinds: readonly Entry['kind'][] = ['rollback-decided', 'step-succeeded', 'settled', 'drill-ended'];

const settledMax = 5_000;
const openMax = 1_000;
const drillsMax = 5_000;

/** Folds the entries of one service, oldest first, in bounded memory. */
export class TimingFold {
  private readonly open = new Map<string, { readonly decidedAt: number; loadMs: number | null }>();
  private readonly done = new Map<string, Timing>();
  private leftOut = 0;
  private readonly drills = { passed: [] as DrillResult[], others: 0, leftOut: 0 };

  constructor(private readonly sinceMs: number) {}

  add(entry: Entry): void {
    const { kind, incident, at, facts } = entry;
    if (kind === 'drill-ended') return this.addDrill(entry);
    // A rollback by hand without a verdict has no detection, and a deploy is no incident.
    if (incident === null || this.done.has(incident)) return;
    const seen = this.open.get(incident);
    switch (kind) {
      case 'rollback-decided':
        if (!seen) this.open.set(incident, { decidedAt: at, loadMs: null });
        if (this.open.size > openMax) this.open.delete(this.open.keys().next().value ?? '');
        return;
      case 'step-succeeded': {
        const ms = numberOf(facts, 'ms');
        if (seen && textOf(facts, 'step') === 'load' && ms !== null) seen.loadMs = (seen.loadMs ?? 0) + ms;
        return;
      }
      case 'settled': {
        this.open.delete(incident);
        const timing = timingOf(incident, at, facts, seen?.loadMs ?? null);
        // The hold move that may follow settles the same incident again: its detection is counted once.
        if (timing && at >= this.sinceMs) this.done.set(incident, timing);
        if (this.done.size > settledMax) {
          this.done.delete(this.done.keys().next().value ?? '');
          this.leftOut += 1;
        }
        return;
      }
      default:
    }
  }

  private addDrill(entry: Entry): void {
    const result = resultOf(entry);
    if (result === null || result.endedAt < this.sinceMs) return;
    if (result.outcome !== 'passed') {
      this.drills.others += 1;
      return;
    }
    this.drills.passed.push(result);
    if (this.drills.passed.length <= drillsMax) return;
    this.drills.passed.shift();
    this.drills.leftOut += 1;
  }

  end(): Timings {
    const unsettled = [...this.open.values()].filter(({ decidedAt }) => decidedAt >= this.sinceMs).length;
    return { settled: [...this.done.values()], unsettled, leftOut: this.leftOut, drills: this.drills };
  }
}

function timingOf(incident: string, at: number, facts: Entry['facts'], loadMs: number | null): Timing | null {
  const tier = textOf(facts, 'tier');
  if (tier === null) return null;
  const moment = (name: string): number | null => numberOf(facts, name);
  const onset = moment('onsetAt');
  const detected = moment('detectedAt');
  const decided = moment('decidedAt');
  const shifted = moment('shiftedAt');
  const ready = moment('preparedAt') ?? shifted;
  return {
    incident,
    tier,
    settledAt: at,
    took: {
      detect: between(onset, detected),
      decide: between(detected, decided),
      prepare: between(decided, ready),
      shift: between(ready, shifted),
      verify: between(shifted, moment('settledAt') ?? at),
    },
    exposed: between(onset, shifted),
    loadMs,
  };
}

/** Clocks of two machines may cross by a little; a part takes no less than nothing. */
function between(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : Math.max(0, to - from);
}
