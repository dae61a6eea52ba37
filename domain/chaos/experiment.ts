import type { Json } from '../ledger';

/** Which version a fault is about: by its place in the route or the operation, or by its name. */
export const versionPlaces = ['live', 'target', 'left', 'fallback'] as const;
export type VersionPlace = (typeof versionPlaces)[number];

/** Parts of one installation that may be killed; its supervisor starts them again. */
export const killableParts = ['host', 'controller', 'gateway', 'temporal'] as const;
export type KillablePart = (typeof killableParts)[number];

/** What goes wrong. `version` is a {@link VersionPlace} in an experiment, and a name when a fault is prepared. */
export type FaultSpec =
  | {
      readonly kind: 'corrupt-artifact';
      readonly version: string;
      readonly how: 'flip' | 'truncate' | 'remove' | 'add';
    }
  | { readonly kind: 'kill-serving'; readonly version: string }
  | { readonly kind: 'freeze-serving'; readonly version: string; readonly limitMs: number }
  | {
      readonly kind: 'fill-disk';
      readonly where: 'data' | 'artifacts';
      readonly atMostBytes: number;
      readonly keepFreeBytes: number;
    }
  | {
      readonly kind: 'registry';
      /** Name of a `lastgood chaos proxy` that the configuration has as its registry. */
      readonly proxy: string;
      readonly mode: 'cut' | 'slow';
      readonly delayMs: number;
      readonly limitMs: number;
    }
  | { readonly kind: 'load-surge'; readonly perSecond: number; readonly forMs: number; readonly maxRequests: number }
  | { readonly kind: 'kill-part'; readonly part: KillablePart }
  | { readonly kind: 'reload-router' }
  | ({ readonly kind: 'chaos-mesh' } & ClusterFault)
  | ({ readonly kind: 'litmus' } & ClusterFault);

/** A fault that another tool makes in a Kubernetes cluster. */
export interface ClusterFault {
  /** The object as it is created; its name gets an ending of this run. */
  readonly manifest: ManifestJson;
  /** Of the kubeconfig; never the current one of whoever runs it. */
  readonly context: string;
  /** Null: where kubectl looks. */
  readonly kubeconfig: string | null;
  readonly limitMs: number;
}

export type FaultKind = FaultSpec['kind'];
export type ManifestJson = { readonly [key: string]: Json };

/** Steps of a rollback at which a fault can be made, in their order. */
export const rollbackSteps = ['validate', 'load', 'probe', 'shadow', 'shift', 'verify', 'settle'] as const;
export type RollbackStep = (typeof rollbackSteps)[number];

/** How the operation in which the fault happens may end. `none`: nothing moves, and no operation begins. */
export const outcomes = ['settled', 'waiting-for-human', 'cancelled', 'none'] as const;
export type Outcome = (typeof outcomes)[number];

/** Invariants of which a run can tell, by their numbers in the design. */
export const checkedInvariants = ['I1', 'I2', 'I4', 'I5', 'I6', 'I8', 'I9', 'I12'] as const;
export type CheckedInvariant = (typeof checkedInvariants)[number];

export interface Experiment {
  readonly name: string;
  readonly why: string;
  readonly service: string;
  /** Counted requests through the entrance of the service, for the whole run. */
  readonly users: { readonly perSecond: number };
  readonly steadyState: SteadyState;
  /** `cold`: the newest version that may be chosen and of which no copy is kept warm. */
  readonly trigger:
    | { readonly kind: 'manual-rollback'; readonly to: string | null; readonly cold: boolean }
    | { readonly kind: 'none' };
  /** `before` the trigger, or while this step of the rollback runs. */
  readonly at: 'before' | RollbackStep;
  readonly fault: FaultSpec;
  readonly expect: Expectation;
  /** How soon after the fault the steady state must be there again. */
  readonly recoverWithinMs: number;
  /** Whether the version that was live before is deployed again at the end, where the run moved the traffic. */
  readonly putBack: boolean;
}

export interface SteadyState {
  /** How long it may take to be there before the fault; where it is not, nothing is done. */
  readonly withinMs: number;
  /** Of the last `of` requests at most this share may fail or get no answer. */
  readonly errors: { readonly atMost: number; readonly of: number };
  /** Epoch and primary must be the same for so long. */
  readonly routeStableMs: number;
}

export interface Expectation {
  /** How long the operation may take to come to one of the outcomes. */
  readonly withinMs: number;
  readonly outcomes: readonly Outcome[];
  /** The target must be dropped as a candidate. */
  readonly targetDropped: boolean | null;
  /** Where the traffic must be at the outcome: on the version that was live before, elsewhere, or on the target. */
  readonly primary: 'same' | 'moved' | 'target' | 'any';
  /** Requests that may go without any answer. */
  readonly lostAtMost: number;
  /** Answers that may be errors. */
  readonly failedAtMost: number;
  readonly invariants: readonly CheckedInvariant[];
}
