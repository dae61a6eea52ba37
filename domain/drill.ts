import type { Tier } from './detection/types';
import type { DetectionPolicy, ServicePolicy } from './policy';
import type { Backend, Degradation } from './route';

/**
 * Whose requests the worse version answers: `mirror` copies of users' requests, `replay` recorded inputs (nobody gets
 * either's answers), `live` a few users.
 */
export type DrillWay = 'mirror' | 'replay' | 'live';

/** Absent in policies of older releases: no live drills. */
export interface DrillPolicy {
  readonly live: boolean;
  /** Of users' requests; at most `LIVE_DRILL_SHARE_MAX`. */
  readonly maxShare: number;
  /** Longest time of a live drill's share. */
  readonly maxLiveMs: number;
}

/** The drill under way, as the service keeps it: at most 300 bytes (I15). Its copy is `instanceName(service, version, id)`. */
export interface Drill {
  readonly id: string;
  readonly way: DrillWay;
  readonly version: string;
  readonly share: number;
  readonly forMs: number;
  readonly expect?: Tier;
  readonly degrade?: Degradation;
  readonly phase: 'loading' | 'running' | 'returning';
  /** Number of the last report; a repeated one is dropped. */
  readonly lastNo: number;
  readonly sharedAt?: number;
  readonly decidedAt?: number;
  /** It has not reached its end by then: a real incident. */
  readonly deadlineAt: number;
}

export interface DrillInput {
  readonly service: string;
  readonly drill: string;
  readonly way: DrillWay;
  readonly version: string;
  readonly digest: string;
  /** Null where the live version's own copies stand behind the degrading layer. */
  readonly instance: string | null;
  readonly model: string;
  /** Who serves, and where the way back leads. */
  readonly live: { readonly version: string; readonly digest: string };
  readonly host: string;
  readonly forMs: number;
  readonly expect: Tier | null;
  readonly degraded: boolean;
  readonly steps: ServicePolicy['steps'];
  readonly verify: ServicePolicy['verify'];
  readonly detection: DetectionPolicy;
}

/** Moments in milliseconds since 1970; null where it did not come to that. */
export interface DrillTimes {
  /** The first answer of the drill's cohort. */
  readonly onsetAt: number | null;
  readonly detectedAt: number | null;
  /** The way back took effect in the router. */
  readonly shiftedAt: number | null;
  readonly restoredAt: number | null;
}

/**
 * `passed`: detected in the right tier, led back, verified, in time. `failed`: one of these was not so. `unmeasured`: too
 * little was answered to say anything. `refused`: a precondition was not met. `overtaken`: a real incident or a person ended
 * it. `overdue`: it did not reach its end in time.
 */
export type DrillOutcome = 'passed' | 'failed' | 'unmeasured' | 'refused' | 'overtaken' | 'overdue';

export interface DrillEnding {
  readonly outcome: 'passed' | 'failed' | 'unmeasured' | 'refused';
  readonly why: string;
  readonly times: DrillTimes;
  /** Answers of its cohort until it was detected, or until its time was over. */
  readonly answers: number;
  /** What got slower than in earlier drills, in words; null where nothing did, or there are too few to compare with. */
  readonly slower: string | null;
  /** The verdict, kept as evidence. */
  readonly evidence: string | null;
}

/** Numbered, in order; `at` is workflow time. */
export interface DrillReport {
  readonly drill: string;
  readonly no: number;
  readonly at: number;
  readonly what:
    | { readonly type: 'loaded'; readonly backend: Backend | null }
    | {
        readonly type: 'detected';
        readonly tier: Tier;
        readonly metric: string;
        readonly sentence: string;
        readonly onsetAt: number | null;
        readonly detectedAt: number;
      }
    | ({ readonly type: 'ended' } & DrillEnding);
}

export type DrillOrder =
  | { readonly type: 'shared'; readonly epoch: number; readonly until: number }
  | { readonly type: 'return'; readonly epoch: number; readonly at: number }
  | { readonly type: 'stop'; readonly why: string };

/** What only users' own traffic can prove. */
export const UNPROVEN_BY_MIRROR = [
  'shift: that the traffic of users moves, and that none of their requests is lost on the way',
  'sessions: that pinned sessions leave the worse version in time',
  'restore: that users are served well again',
] as const;
