/** Inputs and results of the looks at what serves: assessments, guards, the live copies. */
import type { DetectionPolicy } from '../../domain/policy';
import type { Backend, ObservedRoute } from '../../domain/route';
import type { StandingVerdict, TierReading } from '../../domain/service/events';
import type { LiveSeen } from '../../domain/service/state';
import type { Baseline, ChartStates } from './activities';

export interface AssessmentInput {
  readonly service: string;
  readonly version: string;
  readonly epoch: number;
  readonly routedAt: number;
  /** In its bake period a version is compared with the one before it, suspect or not. */
  readonly baking?: boolean;
  readonly now: number;
  readonly charts: ChartStates;
  readonly standing: readonly StandingVerdict[];
  readonly baseline: Baseline;
  readonly policy: DetectionPolicy;
}

export interface Assessment {
  readonly charts: ChartStates;
  readonly began: readonly StandingVerdict[];
  readonly ended: readonly { readonly id: string; readonly at: number; readonly sentence: string }[];
  readonly tiers: readonly TierReading[];
  readonly environment: { readonly changed: readonly string[]; readonly unmeasured: readonly string[] };
  readonly observed: ObservedRoute | null;
}

export interface GuardInput {
  readonly service: string;
  readonly version: string;
  readonly model: string;
  readonly backend: Backend;
  readonly intervalMs: number;
  readonly returnAfterMs: number;
  /** Outcome that the service knows; the guard returns when it differs. */
  readonly known: 'unproven' | 'ok' | 'failed';
}
export interface GuardResult {
  readonly ok: boolean;
  readonly at: number;
  readonly why: string;
  readonly changed: boolean;
}

export interface LiveInput {
  readonly service: string;
  readonly version: string;
  readonly model: string;
  readonly copies: readonly Backend[];
  readonly intervalMs: number;
  readonly returnAfterMs: number;
  /** What the service knows; null: nothing yet. */
  readonly known: LiveSeen['condition'] | null;
  /** Of several copies: those that the service knows not to answer. */
  readonly knownDown?: readonly string[];
}
export type LiveResult = Pick<LiveSeen, 'condition' | 'at' | 'why' | 'down'>;

export interface ServingWatchInput {
  readonly service: string;
  /** Address of the live version; null while nothing is live. */
  readonly live: string | null;
  /** Identity and address that the service knows of. */
  readonly known: { readonly key: string; readonly address: string } | null;
  readonly intervalMs: number;
  readonly returnAfterMs: number;
}
