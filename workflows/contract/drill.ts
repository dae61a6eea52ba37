import type { Tier, Verdict } from '../../domain/detection/types';
import type { DrillTimes, DrillWay } from '../../domain/drill';
import type { DetectionPolicy } from '../../domain/policy';
import type { Degradation } from '../../domain/route';
import type { Answer } from '../../domain/service/messages';
import type { Baseline, StepOutcome } from './activities';

export { UNPROVEN_BY_MIRROR } from '../../domain/drill';
export type { DrillEnding, DrillInput, DrillOrder, DrillReport, DrillTimes } from '../../domain/drill';

/** What a schedule asks for each time. Never live: that a person says, each time. */
export interface DrillRequest {
  readonly way: Exclude<DrillWay, 'live'>;
  readonly version?: string;
  readonly degrade?: Degradation;
  readonly share: number;
  readonly forMs: number;
  readonly expect?: Tier;
  readonly reason: string;
}

export interface ScheduledDrillInput {
  readonly service: string;
  readonly request: DrillRequest;
}

export interface DrillActivities {
  /** What the deciding workflow cannot know: whether the router can do it, inputs exist, limits are there. Read-only. */
  checkDrill(input: {
    service: string;
    way: DrillWay;
    degraded: boolean;
  }): Promise<StepOutcome<{ readonly baseline: Baseline }>>;
  /** Resolves when the router has this epoch in force, or a higher one; read-only. Heartbeats. */
  awaitDrillRoute(input: {
    service: string;
    epoch: number;
    maxMs: number;
  }): Promise<StepOutcome<{ readonly at: number }>>;
  /** Judges the drill's cohort as the live traffic is judged; returns on its first verdict, or at `untilMs`. Heartbeats. */
  watchDrill(input: WatchDrillInput): Promise<WatchDrillResult>;
  /** Asks recorded inputs of the drill's version until `untilMs`, or until it is cancelled. Heartbeats. */
  replayInputs(input: { service: string; drill: string; untilMs: number }): Promise<{ readonly asked: number }>;
  /** Keeps the verdict as evidence, and compares the stages with those of earlier drills that passed. Idempotent by content. */
  compareDrill(input: {
    service: string;
    drill: string;
    way: DrillWay;
    times: DrillTimes;
    verdict: Verdict | null;
  }): Promise<{ readonly slower: string | null; readonly evidence: string | null }>;
  /** Asks the service, as a person would; the same `requestId` again is the same request. */
  requestDrill(input: { service: string; requestId: string; request: DrillRequest }): Promise<Answer>;
}

export interface WatchDrillInput {
  readonly service: string;
  readonly version: string;
  readonly model: string;
  readonly epoch: number;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly expect: Tier | null;
  readonly baseline: Baseline;
  readonly policy: DetectionPolicy;
}

export interface WatchDrillResult {
  readonly verdict: Verdict | null;
  /** Begin of the first row of the cohort; null where nothing was answered. */
  readonly onsetAt: number | null;
  readonly answers: number;
  readonly at: number;
}
