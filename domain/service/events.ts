import type { Attribution } from '../detection/attribution';
import type { Tier, Verdict } from '../detection/types';
import type { DrillReport } from '../drill';
import type { ServicePolicy } from '../policy';
import type { StepReport } from '../rollback/operation';
import type { Backend, ObservedRoute } from '../route';
import type { OperatorMessage } from './messages';
import type { RecoveredState } from './recovery';
import type { LiveSeen, StoredVersion } from './state';

/** A verdict that stands: it began, and has not ended. */
export interface StandingVerdict {
  readonly id: string;
  readonly verdict: Verdict;
}

/** One line of `status`: what a tier last saw of one metric. */
export interface TierReading {
  readonly tier: Tier;
  readonly metric: string;
  readonly kind: Verdict['kind'];
  readonly observed: number | null;
  readonly expected: number | null;
  readonly limit: number | null;
  readonly samples: number;
  readonly at: number;
  /** Of a metric from outside; those that lastgood measures have units that are known. */
  readonly unit?: string;
  /** Why it is not decided, where that is not plain from the numbers. */
  readonly why?: string;
}

export interface DegradationBegan {
  readonly id: string;
  /** Epoch and version that the verdict was measured on. */
  readonly epoch: number;
  readonly version: string;
  readonly verdict: StandingVerdict['verdict'];
  readonly attribution: Attribution;
  readonly reasons: readonly string[];
  /** Inside the cooldown: stands, is measured on, and is reported again at its end. */
  readonly suppressed: boolean;
}

export interface DegradationEnded {
  readonly id: string;
  readonly epoch: number;
  readonly at: number;
  readonly sentence: string;
}

export interface TiersReported {
  readonly epoch: number;
  readonly version: string;
  readonly at: number;
  readonly tiers: readonly TierReading[];
  /** Nothing could be measured since then. */
  readonly unmeasuredSince: number | null;
  /** What of the environment is not as usual. */
  readonly environment: readonly string[];
}

export interface StandbyReported {
  readonly version: string;
  readonly instance: string;
  readonly ok: boolean;
  readonly at: number;
  readonly why: string;
}

/** The copies of the live version, looked at all together; told at each change and now and then. */
export interface LiveReported {
  readonly version: string;
  readonly instances: readonly string[];
  readonly condition: LiveSeen['condition'];
  readonly at: number;
  readonly why: string;
  /** Of several: those that have not answered for a while although others do. */
  readonly down?: readonly string[];
}

export interface RouteObserved {
  readonly observed: ObservedRoute;
  readonly at: number;
}

export interface RetirementEnded {
  readonly version: string;
  readonly instance: string;
  readonly outcome: 'stopped' | 'spared' | 'failed';
  readonly at: number;
  readonly why: string;
}

/** Everything that detection must know of the service; the whole, each time. */
export interface RouteChanged {
  /** Another one each time that the service begins without state; absent from one that began before it was given. */
  readonly incarnation?: number;
  readonly epoch: number;
  readonly version: string;
  readonly model: string;
  readonly routedAt: number;
  readonly deployedAt: number | null;
  /** Bake period of a new version: the previous version's limits stay in force until then. */
  readonly bakeUntil: number | null;
  /** Version whose good history makes the limits now. */
  readonly judgedBy: string;
  readonly cooldownUntil: number | null;
  readonly breakerOpen: boolean;
  /** An incident or operation is under way: its points never enter a baseline. */
  readonly inIncident: boolean;
  readonly drill: string | null;
  /** Confirm after settle: the metric and class that fired, and until when it must have been measured. */
  readonly confirming: {
    readonly incident: string;
    readonly metric: string;
    readonly from: number;
    readonly until: number;
  } | null;
  readonly standby: { readonly version: string; readonly backend: Backend } | null;
  readonly live: Backend | null;
  /** Every copy of the live version, where lastgood runs them itself; absent where something else does. */
  readonly copies?: readonly Backend[];
  readonly policy: ServicePolicy;
}

export interface RetirementInput {
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  readonly host: string;
  /** The copy is not stopped before then. */
  readonly notBefore: number;
  readonly drainMaxMs: number;
  readonly graceMs: number;
  readonly why: string;
}

/** What happened, as the service's reducer takes it. */
export type ServiceEvent =
  | {
      readonly type: 'started';
      readonly recovered: RecoveredState | null;
      readonly ledgerReadable: boolean;
      readonly observed: ObservedRoute | null;
      readonly versions: readonly StoredVersion[];
    }
  | { readonly type: 'versions-listed'; readonly versions: readonly StoredVersion[] }
  | { readonly type: 'message'; readonly message: OperatorMessage }
  | { readonly type: 'unreadable'; readonly name: string; readonly problem: string }
  | { readonly type: 'degradation-began'; readonly report: DegradationBegan }
  | { readonly type: 'degradation-ended'; readonly report: DegradationEnded }
  | { readonly type: 'tiers-reported'; readonly report: TiersReported }
  | { readonly type: 'standby-reported'; readonly report: StandbyReported }
  | { readonly type: 'live-reported'; readonly report: LiveReported }
  | {
      readonly type: 'standby-prepared';
      readonly version: string;
      readonly instance: string;
      readonly backend: Backend | null;
      readonly why: string;
    }
  | { readonly type: 'route-observed'; readonly report: RouteObserved }
  | { readonly type: 'route-applied'; readonly epoch: number; readonly applied: boolean; readonly why: string }
  | { readonly type: 'step-reported'; readonly report: StepReport }
  | { readonly type: 'drill-reported'; readonly report: DrillReport }
  /** The deadline of a report passed and somebody looked: does the child still run, and what does the router say? */
  | {
      readonly type: 'operation-asked';
      readonly operation: string;
      readonly running: boolean | null;
      readonly observed: ObservedRoute | null;
    }
  | { readonly type: 'retirement-ended'; readonly report: RetirementEnded }
  /** Copies of this service that run on the host, known or not. */
  | {
      readonly type: 'instances-inspected';
      readonly instances: readonly { readonly version: string; readonly instance: string }[];
    }
  /** The service itself began: detection is told what to watch. */
  | { readonly type: 'detection-started' }
  /** Detection began without a state: it asks for the route, and what it had reported it knows no more. */
  | { readonly type: 'detection-began-anew' }
  | { readonly type: 'recorded'; readonly upTo: number }
  | { readonly type: 'tick' };
