/**
 * Signatures of all activities, by task queue. `proxies.ts` gives each its timeouts; `activities/` implements them.
 * Inputs and results are at most 16 KiB: evidence travels as references.
 */
import type { CacheStrategy, InForceStrategy } from '../../domain/caches/choice';
import type { PointerOutcome } from '../../domain/caches/pointer';
import type { Attribution } from '../../domain/detection/attribution';
import type { ScoreReference } from '../../domain/detection/score-reference';
import type { Verdict } from '../../domain/detection/types';
import type { ChainedEntry, LedgerEntry } from '../../domain/ledger';
import type { DetectionPolicy } from '../../domain/policy';
import type { Backend, ObservedRoute, RouteRecord } from '../../domain/route';
import type { StandingVerdict, TierReading } from '../../domain/service/events';
import type { InputFit } from '../../domain/rollback/input-fit';
import type { Incompatible } from '../../domain/service/state';
import type { ObservedServing } from '../../domain/observed-serving';
import type { EvaluationSummary, ObservedVersion } from '../../domain/version';
import type { Alert } from '../../domain/alert';
import type { ApplyResult } from '../../gateway/protocol';
import type {
  Assessment,
  AssessmentInput,
  GuardInput,
  GuardResult,
  LiveInput,
  LiveResult,
  ServingWatchInput,
} from './looks';
import type { RecoveredState } from './recovery';

/** A version as the service workflow learns it from the store; reports as far as decisions need them. */
export interface KnownVersion {
  readonly version: string;
  readonly digest: string;
  readonly importedAt: number;
  readonly evaluation: EvaluationSummary | null;
  readonly probes: number;
  readonly model: string;
  readonly observed?: ObservedVersion;
  /** How well its data profile fits the inputs of now; absent where that was not looked at. */
  readonly fit?: InputFit;
  /** The newest version has it when they were compared, `false` where nothing speaks against it; others where they are barred. */
  readonly incompatible?: Incompatible;
}

/** Outcome of a step that may fail for a reason that belongs to the candidate. Faults are thrown instead. */
export type StepOutcome<T = object> = ({ readonly ok: true } & T) | { readonly ok: false; readonly why: string };

/** What one output cache is brought to. */
export interface CacheSettling {
  readonly service: string;
  readonly cache: string;
  readonly strategy: CacheStrategy;
  readonly epoch: number;
  readonly version: string;
  /** Nothing of these that was stored until now may be served again. */
  readonly drop: readonly string[];
  readonly at: number;
  /** The operation. */
  readonly by: string;
}

export interface CacheSettled {
  readonly outcome: PointerOutcome;
  /** What was done with the entries. */
  readonly strategy: InForceStrategy;
  /** The calculation, or why it was none. */
  readonly why: string;
  /** The part of the keys that is current; null where the cache has none of its own to show. */
  readonly tag: string | null;
}

export interface ControlActivities {
  /** Appends in order; the ledger's own idempotence makes a repeated call harmless. */
  recordDecisions(entries: readonly LedgerEntry[]): Promise<{ lastSeq: number }>;
  /** Folds the service's chain into what a service workflow must know; null when there is no chain yet. */
  recoverState(service: string): Promise<RecoveredState | null>;
  listVersions(service: string): Promise<readonly KnownVersion[]>;
  sendAlert(alert: Alert): Promise<void>;
  annotateVersion(input: { service: string; version: string; at: number; text: string }): Promise<void>;
  /**
   * Keeps a picture of the incident's metric beside its evidence; the digest goes into the ledger. `moment` and `at` name
   * the entry that it is about, which may not be in the ledger yet: then it rejects and is asked again.
   */
  drawIncident(input: {
    service: string;
    incident: string;
    at: number;
    moment: LedgerEntry['kind'];
  }): Promise<{ readonly digest: string | null }>;
  /** Every file against the manifest; read-only. Idempotent. */
  validateArtifact(input: {
    service: string;
    version: string;
    digest: string;
  }): Promise<StepOutcome<{ readonly note?: string }>>;
  /** Readiness, reported digest, golden probes of one running copy; read-only, so it may run twice. */
  probeInstance(input: {
    service: string;
    version: string;
    model: string;
    backend: Backend;
  }): Promise<StepOutcome<{ readonly probes: number; readonly ms: number; readonly note?: string }>>;
  /** The target answers recent sampled inputs of real traffic; compared with labels where known, else with what was answered. */
  shadowReplay(input: {
    service: string;
    version: string;
    model: string;
    backend: Backend;
    replay: DetectionPolicy['replay'];
    /** The version that is left: its bad answers must not be the yardstick. */
    against: string;
  }): Promise<StepOutcome<{ readonly inputs: number; readonly right: number | null; readonly note: string }>>;
  /** Golden probes through the router, then the immediate metrics over good answers since `sinceMs`. Heartbeats. */
  verifyShift(input: {
    service: string;
    version: string;
    model: string;
    digest: string;
    epoch: number;
    /** Answers of this version since then count as evidence. */
    sinceMs: number;
    goodAnswers: number;
    maxMs: number;
    /** Answers of users, unless a drill's copies are what is verified. */
    cohort?: 'drill';
  }): Promise<
    StepOutcome<{
      readonly goodAnswers: number;
      readonly ms: number;
      readonly byProbesOnly: boolean;
      readonly note: string;
    }>
  >;
  /**
   * Brings one output cache to the version of an epoch and reads it back. Named by the epoch, so twice is once; an epoch
   * below the one that the cache has is `superseded`. Rejects when the cache does not answer or refuses.
   */
  settleCache(input: CacheSettling): Promise<CacheSettled>;
  /** Requests in flight and sessions pinned on a version, as the router says. */
  observeDrain(input: {
    service: string;
    version: string;
  }): Promise<{ drained: boolean; inFlight: number; pinned: number }>;
  /** Read-only look at the router for reconcile. */
  observeRoute(service: string): Promise<ObservedRoute>;
  /** Windowed charts of the short-window tier, beside the environment's health. */
  assessShortWindow(input: AssessmentInput): Promise<Assessment>;
  assessTrend(input: AssessmentInput): Promise<Assessment>;
  /** Baseline from the given good periods; small, pinned by the detection workflow. */
  computeBaseline(input: BaselineInput): Promise<Baseline>;
  /** The causal test first: same recent inputs on the previous version; then environment, then deploy age. */
  attributeCause(input: {
    service: string;
    verdict: Verdict;
    version: string;
    previous: (Backend & { readonly version: string }) | null;
    model: string;
    deployedAt: number | null;
    replay: DetectionPolicy['replay'];
    /** Another metric of this version that stands and was laid to the environment. */
    explainedBy?: string;
    /** What the short window remembers; what is usual between two copies is in it. */
    windowCharts?: ChartStates;
    now: number;
  }): Promise<{ attribution: Attribution; reasons: readonly string[] }>;
}

export interface WatchActivities {
  /** Folds the numbered telemetry and returns on a verdict's begin or end, a route event, or after `returnAfterMs`. */
  watchTelemetry(input: WatchInput): Promise<WatchResult>;
  /** Repeats the standby proof; returns when its outcome changes, or after `returnAfterMs`. */
  guardStandby(input: GuardInput): Promise<GuardResult>;
  /** Looks whether the copies of the live version answer; returns when that changes, or after `returnAfterMs`. */
  guardLive(input: LiveInput): Promise<LiveResult>;
  /** Asks who answers at the address of a service that something else runs; returns when that changes, or after `returnAfterMs`. */
  watchServing(input: ServingWatchInput): Promise<{ readonly seen: ObservedServing | null }>;
}

/** Queue of the host that serves; one slot. */
export interface HostActivities {
  /** Materialises and starts the instance, or finds it; resolves when it is ready. Read back by inspection. */
  loadTarget(input: {
    service: string;
    version: string;
    digest: string;
    instance: string;
    model: string;
    readyWithinMs: number;
  }): Promise<StepOutcome<{ readonly backend: Backend; readonly ms: number; readonly found: boolean }>>;
  /**
   * Validate, load and probe of one candidate in one call, each only after the one before has succeeded, for at most
   * about `withinMs`. What it did not get to is left to the steps themselves, which find what it began; a copy that needs
   * longer, a large artifact and parts outside of the process are left to them from the beginning. Read back as by
   * `loadTarget`; idempotent by the instance's name.
   */
  prepareTarget(input: {
    service: string;
    version: string;
    digest: string;
    instance: string;
    model: string;
    withinMs: number;
  }): Promise<PreparedTarget>;
  /** Asks the router in the same activity and refuses while a record in force names the instance. */
  stopInstance(input: {
    service: string;
    instance: string;
    graceMs: number;
  }): Promise<{ outcome: 'stopped' | 'absent' | 'refused'; why: string }>;
  /** Lets go of a copy that serves on: it is nobody's afterwards. `kept`: it has no mark of ours. */
  releaseInstance(input: {
    service: string;
    instance: string;
  }): Promise<{ outcome: 'released' | 'absent' | 'kept'; why: string }>;
  /** Everything of the service that runs on this host, found by inspection. */
  inspectInstances(service: string): Promise<readonly InspectedInstance[]>;
}

/** What `prepareTarget` got done: a step is null where it was left to the step itself, and where an earlier one failed. */
export interface PreparedTarget {
  readonly validate: { readonly ms: number; readonly note?: string } | null;
  readonly load: { readonly ms: number; readonly backend: Backend; readonly found: boolean } | null;
  readonly probe: { readonly ms: number; readonly probes: number; readonly note?: string } | null;
  /** By the candidate's own fault. */
  readonly failed: { readonly step: 'validate' | 'load' | 'probe'; readonly why: string } | null;
}

export interface InspectedInstance {
  readonly instance: string;
  readonly version: string;
  readonly state: 'starting' | 'running' | 'exited';
  readonly address: string | null;
  readonly digest: string | null;
}

/** Queue of the host's routers; one slot. */
export interface RouterActivities {
  /**
   * Re-reads the service's standing, looks at the target once more (ready, digest), then applies the record.
   * `stopped`: the standing forbids it. `unready`: the target failed the last look, or may not be used any more.
   * `refused`: the router did. `partial`: of several routers some have the record in force, others cannot be reached or
   * did not take it; `why` says which serves what.
   */
  shiftTraffic(input: {
    service: string;
    operation: string;
    incident: string | null;
    model: string;
    record: RouteRecord;
    /** A manual or hold operation is allowed while the breaker is open. */
    allowBreakerOpen: boolean;
    /** An act of a person goes on while the service is paused: a pause stops the machine. */
    allowPaused: boolean;
    /** A person who rolls back by hand also overrules a disagreement about the route. */
    allowDisagreement: boolean;
    /** The version that served before: the declared way back may lead to it although it is quarantined by now. */
    returnsTo: string | null;
  }): Promise<ShiftOutcome>;
  /** Applies a record that moves no traffic to a version that had none (fallback named or withdrawn, first route). */
  applyRoute(record: RouteRecord): Promise<ApplyResult>;
  fenceRouter(input: { service: string; epoch: number }): Promise<{ floor: number }>;
}

export type ShiftOutcome =
  | {
      readonly outcome: 'shifted';
      readonly epoch: number;
      readonly at: number;
      readonly readBack: boolean;
      readonly seenInTraffic: string | null;
    }
  | { readonly outcome: 'partial'; readonly at: number; readonly why: string }
  | { readonly outcome: 'stopped' | 'unready' | 'refused'; readonly why: string };

/** What good looks like, from named periods; rates with their counts. */
export interface Baseline {
  readonly version: string | null;
  readonly metrics: Readonly<
    Record<
      string,
      {
        readonly value: number;
        readonly n: number;
        /** Of a latency: of its intervals. Of a rate: by how much its level moves beyond what counts scatter. */
        readonly spread: number | null;
        readonly source: string;
        /** What the evaluation report or the first warm baseline says; the trend tier measures the distance to it. */
        readonly anchor?: number;
        /** Shape and correlation of the history, for metrics with a value chart: about 300 bytes. */
        readonly reference?: ScoreReference;
        /** Usual factor of each hour of the day (UTC), where days repeat themselves; value and shape are without it. */
        readonly season?: readonly number[];
        /** As `season`, for metrics from outside: 24 differences in the metric's unit. */
        readonly hourOffsets?: readonly number[];
      }
    >
  >;
  /** Requests (or labels of the class) a second, for the false-alarm interval. */
  readonly ratePerSecond: Readonly<Record<string, number>>;
  readonly periods: readonly GoodPeriod[];
  readonly words: string;
}

export interface GoodPeriod {
  readonly version: string;
  readonly from: number;
  readonly to: number;
}

export interface BaselineInput {
  readonly service: string;
  readonly version: string;
  readonly periods: readonly GoodPeriod[];
  /** Version whose evaluation report anchors the class rates. */
  readonly anchorVersion: string;
  /** Values of the first warm baseline, by metric: recomputed centres stay within the practical margin of them. */
  readonly anchors: Readonly<Record<string, number>>;
  readonly policy: DetectionPolicy;
}

export interface WatchInput {
  readonly service: string;
  readonly version: string;
  readonly model: string;
  readonly epoch: number;
  readonly routedAt: number;
  readonly deployedAt: number | null;
  /** Copy whose memory is looked at; absent where something else runs it. */
  readonly copy?: string;
  /** The previous version's copy: asked for its golden probes when an immediate verdict begins. */
  readonly standby: (Backend & { readonly version: string }) | null;
  readonly cursor: number;
  readonly charts: ChartStates;
  readonly standing: readonly StandingVerdict[];
  readonly baseline: Baseline;
  readonly policy: DetectionPolicy;
  readonly returnAfterMs: number;
}

/** Chart states by name, opaque to workflows; at most 8 KiB together. */
export type ChartStates = Readonly<Record<string, unknown>>;

export interface WatchResult {
  readonly cursor: number;
  readonly charts: ChartStates;
  readonly began: readonly StandingVerdict[];
  /** Cause of each immediate verdict in `began`, by its id: no further round trip before the service knows it. */
  readonly attributions: Readonly<
    Record<string, { readonly attribution: Attribution; readonly reasons: readonly string[] }>
  >;
  /** The router's own word, read when it began to use its fallback. */
  readonly observed: ObservedRoute | null;
  readonly ended: readonly { readonly id: string; readonly at: number; readonly sentence: string }[];
  /** Latest value of each chart for `status`: metric → observed, limit, samples, verdict kind. */
  readonly tiers: readonly TierReading[];
  readonly routeEvents: readonly {
    readonly event: string;
    readonly version: string | null;
    readonly epoch: number;
    readonly at: number;
    readonly detail: string;
  }[];
  /** No telemetry since then; null while rows come. */
  readonly unmeasuredSince: number | null;
  readonly at: number;
}

export type * from './looks';
export type { ChainedEntry, ObservedRoute, StandingVerdict, TierReading };
