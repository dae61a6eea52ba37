import type { ReplicaPlan } from '../hosts';
import type { CachePolicy, ServicePolicy } from '../policy';
import type { PlanStep, Procedure } from './plan';
import type { PipelinePolicy } from '../items/pipeline-policy';
import type { Backend, RouteRecord } from '../route';
import type { Actor } from '../ledger';

/** What moves the traffic: all four run the same plan. */
export type OperationKind = 'rollback' | 'manual-rollback' | 'hold-move' | 'deploy';

export interface Candidate {
  readonly version: string;
  readonly digest: string;
  /** Why this one stands at this place of the list. */
  readonly why: string;
  /** A copy that runs already (a standby); its proof is cited by the decision. */
  readonly warm: (Backend & { readonly proofAt: number }) | null;
}

/** Input of `rollbackWorkflow`: the decision, pinned. At most 16 KiB. */
export interface OperationInput {
  readonly service: string;
  /** Unique per service: `<incident>` for a rollback, `<incident>-hold`, `deploy-<n>`, `manual-<n>`. */
  readonly operation: string;
  readonly kind: OperationKind;
  readonly incident: string | null;
  readonly procedure: Procedure;
  readonly plan: readonly PlanStep[];
  readonly actor: Actor;
  readonly reason: string;
  readonly candidates: readonly Candidate[];
  /** Epochs this operation may use, both ends included. */
  readonly epochs: { readonly from: number; readonly to: number };
  /** The declared route at the moment of the decision; null for the first deploy of a service. */
  readonly route: RouteRecord | null;
  /** Sessions pinned to the version that is left stay there until now + this; 0 moves them at once. */
  readonly keepPinsMs: number;
  /** Where the traffic goes when a step after the shift fails. */
  readonly safest: 'previous' | 'target';
  /** The fallback already carries the traffic since then (the router did it); null otherwise. */
  readonly fallbackSince: number | null;
  readonly host: string;
  /** Absent where the service runs on `host` alone. */
  readonly replicas?: ReplicaPlan;
  readonly model: string;
  /** Memory holds one copy: absent where the target is loaded beside what serves. */
  readonly stopFirst?: { readonly expectedMs: number; readonly maxMs: number };
  /** Output caches that follow the traffic: absent where there are none. */
  readonly caches?: readonly CachePolicy[];
  /** How long a decision waits for its record, and what then: absent in operations that began before it was given. */
  readonly ledger?: { readonly waitMs: number; readonly down: 'proceed' | 'hold' };
  /**
   * Validate, load and probe are made in one call where they take no longer than this, and one by one after that: absent
   * in operations that began before it was given, which make them one by one.
   */
  readonly together?: { readonly withinMs: number };
  /** What the version that is left handled since the onset, and where; absent where no pipeline is declared. */
  readonly items?: {
    readonly incident: string;
    readonly onsetAt: number;
    readonly pipelines: readonly PipelinePolicy[];
    readonly unverified: 'allow' | 'refuse';
    readonly actKeys?: readonly string[];
  };
  readonly limits: Pick<ServicePolicy, 'attempts' | 'steps' | 'verify' | 'gradual' | 'standby'>;
}

export type OperationPhase = 'running' | 'waiting-for-human' | 'ended';

export type OperationOutcome =
  | 'settled'
  /** No candidate passed, or the person ended it: the traffic is where `primary` says. */
  | 'failed'
  | 'cancelled';

/** Numbered report of the child to the service; `no` starts at 1 and has no gaps. */
export interface StepReport {
  readonly operation: string;
  readonly no: number;
  readonly at: number;
  readonly what:
    | { readonly type: 'began'; readonly step: string; readonly version: string | null; readonly deadlineAt: number }
    | {
        readonly type: 'succeeded';
        readonly step: string;
        readonly version: string;
        readonly ms: number;
        readonly note: string;
        /** Hosts that nobody answered for, so that they have no copy. */
        readonly leftOut?: readonly string[];
      }
    | {
        readonly type: 'dropped';
        readonly version: string;
        readonly step: string;
        readonly why: string;
        readonly next: string | null;
      }
    /** `at`: since when the router has the record in force, by its own clock; without it the time of the report counts. */
    | { readonly type: 'shifted'; readonly record: RouteRecord; readonly note: string; readonly at?: number }
    | { readonly type: 'waiting'; readonly step: string; readonly why: string; readonly primary: string }
    | {
        readonly type: 'ended';
        readonly outcome: OperationOutcome;
        readonly record: RouteRecord | null;
        readonly why: string;
        /** Copies that this operation started and that carry no traffic. */
        readonly idle: readonly { readonly version: string; readonly instance: string }[];
        readonly verified: { readonly goodAnswers: number; readonly ms: number; readonly byProbesOnly: boolean } | null;
      };
}

/** What a person (through the service) tells a waiting or running operation. */
export type OperationOrder =
  | { readonly type: 'stop'; readonly why: string }
  | { readonly type: 'retry' }
  | { readonly type: 'choose'; readonly candidate: Candidate }
  | { readonly type: 'accept' }
  | { readonly type: 'abort' };
