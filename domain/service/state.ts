import type { Attribution } from '../detection/attribution';
import type { Tier, Verdict } from '../detection/types';
import type { Actor, LedgerEntry } from '../ledger';
import type { Drill } from '../drill';
import type { Mode, ServicePolicy } from '../policy';
import type { InputFit } from '../rollback/input-fit';
import type { SeenServing } from '../observed-serving';
import type { Backend, FallbackInUse, RouteRecord } from '../route';
import type { EvaluationSummary, ObservedVersion, Standing } from '../version';
import type { TierReading } from './events';

/** What the service workflow knows of one version. Written only by decisions; each change is in the ledger. */
export interface VersionFacts {
  readonly version: string;
  readonly digest: string;
  readonly importedAt: number;
  readonly standing: Standing;
  /** Whether its evaluation report meets the policy's thresholds, by class too. */
  readonly evaluation: { readonly ok: boolean; readonly why: string };
  /** Why it has this standing: words and the incident. */
  readonly why: string;
  readonly since: number;
  readonly human: { readonly by: string; readonly at: number } | null;
  /** Last moment at which it was live and judged good; null when it never was. */
  readonly lastGoodAt: number | null;
  readonly deployedAt: number | null;
  readonly probes: number;
  readonly model: string;
  /** Set where only an address tells of it: what its identity rests on. */
  readonly observed?: ObservedVersion;
}

export interface StandbyState {
  readonly version: string;
  readonly backend: Backend;
  readonly proof: 'unproven' | 'ok' | 'failed';
  readonly proofAt: number | null;
  readonly failedAt: number | null;
  readonly why: string;
}

/** A version that has no copy to take over by, since a preparation or a proof failed. */
export interface Unprepared {
  readonly version: string;
  readonly at: number;
  readonly why: string;
  /** Its copy ran and failed its proof; absent where none was made ready, which says nothing about the host at that time. */
  readonly proofFailed?: true;
}

export interface BreakerState {
  readonly open: boolean;
  /** Grows with every opening; a clear names the one that its sender saw. */
  readonly epoch: number;
  readonly openedAt: number | null;
  readonly incident: string | null;
}

/** A verdict that detection reported and that has not ended. */
export interface StandingDegradation {
  readonly id: string;
  readonly epoch: number;
  readonly version: string;
  readonly verdict: Verdict;
  readonly attribution: Attribution;
  readonly reasons: readonly string[];
  readonly suppressed: boolean;
  readonly reportedAt: number;
  /** What was decided on it; a held one is decided again when its hold ends. */
  readonly decided: 'open' | 'acted' | 'held' | 'refused';
  readonly heldBy: string | null;
}

export type IncidentPhase =
  'awaiting-approval' | 'rolling-back' | 'waiting-for-human' | 'on-fallback' | 'confirming' | 'ended';

/** One degradation from onset to settled and confirmed. */
export interface Incident {
  readonly id: string;
  readonly phase: IncidentPhase;
  readonly tier: Tier;
  readonly metric: string;
  readonly hard: boolean;
  readonly from: string;
  readonly target: string | null;
  readonly attribution: Attribution;
  readonly onsetAt: number | null;
  readonly detectedAt: number;
  readonly decidedAt: number | null;
  readonly preparedAt: number | null;
  readonly shiftedAt: number | null;
  readonly settledAt: number | null;
  readonly approvalUntil: number | null;
  readonly sentence: string;
  /** Operations that were started for it; absent where there was none. */
  readonly operations?: number;
  /** Tried and dropped candidates of this incident. */
  readonly dropped: readonly string[];
  readonly automatic: boolean;
  readonly holdMove: boolean;
}

/** The copies of the live version as somebody last saw them. */
export interface LiveSeen {
  readonly instances: readonly string[];
  /** `dead`: no process of any of them is left. `silent`: none answers, and not all are known to be dead. */
  readonly condition: 'answers' | 'silent' | 'dead';
  readonly at: number;
  readonly why: string;
  /** Of several: those that have not answered for a while although others do. */
  readonly down?: readonly string[];
}

/** The live version started again after the death of its copies. */
export interface Revival {
  readonly version: string;
  /** When each attempt of the machine began, oldest first. */
  readonly attempts: readonly number[];
  /** No further attempt until somebody brought it back. */
  readonly givenUp: boolean;
  /** Why it is not started again, as a person was told; null while nothing was told. */
  readonly told: string | null;
  /** Since when the new copy serves, verified; null before. */
  readonly servesSince: number | null;
}

/** The operation that may change the route now; there is at most one (I2). */
export interface Operation {
  readonly id: string;
  readonly kind: 'rollback' | 'manual-rollback' | 'hold-move' | 'deploy';
  readonly incident: string | null;
  readonly from: string;
  readonly candidates: readonly string[];
  /** Copies that are kept or retired when it has ended: those of the version it leaves, and what was spared for it. */
  readonly left: readonly { readonly version: string; readonly instance: string }[];
  readonly epochs: { readonly from: number; readonly to: number };
  readonly startedAt: number;
  readonly actor: Actor;
  readonly reason: string;
  /** Number of the last report; reports come in order, a repeated one is dropped. */
  readonly lastNo: number;
  readonly step: string;
  readonly version: string | null;
  /** No report until then: the service looks for itself. */
  readonly deadlineAt: number;
  readonly waiting: string | null;
  readonly shifted: boolean;
  readonly stopping: string | null;
  /** How often a person told it how to go on; absent where nobody did. */
  readonly orders?: number;
}

export interface Bake {
  readonly version: string;
  readonly previous: string;
  readonly since: number;
  readonly until: number;
}

export interface Confirming {
  readonly incident: string;
  readonly metric: string;
  readonly from: number;
  readonly until: number;
  readonly measured: boolean;
  readonly alerted: boolean;
  /** Version and copy that stay warm until then, and are retired afterwards. */
  readonly keep: { readonly version: string; readonly instance: string } | null;
}

/** A copy whose end was asked for. */
export interface Retiring {
  readonly version: string;
  readonly instance: string;
  /** Nobody said that it ended by then: its end is asked for again. */
  readonly dueAt?: number;
  /** It could not be ended, and a person was told. */
  readonly failed?: boolean;
}

/** Readiness to roll back, as `status` says it in its first line. */
export interface Readiness {
  readonly ready: boolean;
  readonly target: string | null;
  readonly warm: boolean;
  readonly provenAt: number | null;
  readonly expectedMs: number | null;
  readonly why: string;
}

/**
 * The whole state of one service: what `reduce` takes and gives, what continue-as-new carries. Plain JSON, at most
 * 128 KiB with 200 versions (I15).
 */
export interface ServiceState {
  readonly service: string;
  readonly host: string;
  readonly policy: ServicePolicy;
  readonly rules: number;
  readonly next: { readonly policy: ServicePolicy | null; readonly rules: number | null };
  readonly mode: Mode;
  readonly declared: RouteRecord | null;
  readonly routedAt: number;
  /** When the service began without state: whoever told it something before then told another one that was lost. */
  readonly begunAt?: number;
  /** The next epoch to hand out. */
  readonly nextEpoch: number;
  readonly versions: readonly VersionFacts[];
  /** By version; absent until a list brought some (rules 2). */
  readonly figures?: Readonly<Record<string, VersionFigures>>;
  readonly incompatible?: IncompatibleVersions | undefined;
  readonly standby: StandbyState | null;
  /** Versions whose copy could not be made ready lately, so that the next one is tried first. */
  readonly unprepared: readonly Unprepared[];
  /** Copy that is being made ready to become the standby. */
  readonly preparing: { readonly version: string; readonly instance: string; readonly until: number } | null;
  readonly retiring: readonly Retiring[];
  /** The last look at what runs on the host. */
  readonly inspectedAt?: number;
  readonly degradations: readonly StandingDegradation[];
  readonly incident: Incident | null;
  readonly operation: Operation | null;
  /** A deploy that waits for the operation in flight (`--after`). */
  readonly queued: { readonly version: string; readonly actor: Actor; readonly reason: string } | null;
  /** Absent until the first one; null when none is under way. */
  readonly drill?: Drill | null;
  readonly bake: Bake | null;
  readonly confirming: Confirming | null;
  readonly cooldownUntil: number | null;
  readonly consecutive: number;
  /** Begin of the uninterrupted calm in every tier that could measure. */
  readonly calmSince: number | null;
  /** Since then nothing says that all is well, and nothing says otherwise: the calm stands still (I10). */
  readonly calmFrozenAt: number | null;
  readonly breaker: BreakerState;
  /** What people were told lately, by a hash of its words, and the minute in which it held last; see `told.ts` (rules 3). */
  readonly told?: readonly (readonly [name: string, minute: number])[];
  readonly pausedUntil: number | null;
  /** Set when ledger and router disagree: nothing moves until a person resumes. */
  readonly pausedWhy: string | null;
  /** The router's record that lastgood did not declare; a resume takes it as the truth. */
  readonly foreign: RouteRecord | null;
  readonly fallbackInUse: FallbackInUse | null;
  /** Copy that is made ready on a host that has none of the live version; hosts that were asked for one, and when. */
  readonly joining?: {
    readonly host: string;
    readonly version: string;
    readonly instance: string;
    readonly until: number;
  } | null;
  readonly askedHosts?: Readonly<Record<string, { readonly at: number; readonly times: number }>>;
  /** Of several routers: those that do not have the declared record, since when, and whether a person was told. */
  readonly apart?: {
    readonly since: number;
    readonly routers: readonly string[];
    readonly told: boolean;
    /** Which epoch how many of them were given last, so that the ledger says it once. */
    readonly given?: string;
  } | null;
  /** Who answers at the address that something else runs; absent where lastgood runs what serves. */
  readonly serving?: SeenServing;
  /** Of the last change with a gap, and the last load and probe; only where the old copy is stopped first. */
  readonly swapTimes?: { readonly lastGapMs?: number; readonly lastLoadMs?: number };
  /** Epoch of the gap that was told to last longer than promised. */
  readonly gapTold?: number;
  /** Absent until they were looked at. */
  readonly live?: LiveSeen;
  /** Absent until the live version died the first time. */
  readonly revival?: Revival | null;
  readonly tiers: readonly TierReading[];
  readonly unmeasuredSince: number | null;
  readonly environment: readonly string[];
  readonly counters: {
    readonly ledger: number;
    readonly incident: number;
    readonly operation: number;
    readonly instance: number;
  };
  /** Entries that the ledger has not confirmed yet, in order. */
  readonly outbox: readonly LedgerEntry[];
  /** Answered requests, oldest first: id, `a` accepted or `r` refused, ledger counter. */
  readonly answered: readonly (readonly [string, 'a' | 'r', number])[];
  /** Samples of inputs are kept, so that paired replays are possible. */
  readonly samples: boolean;
}

/** Facts about versions that come from the artifact store. */
export interface StoredVersion {
  readonly version: string;
  readonly digest: string;
  readonly importedAt: number;
  readonly evaluation: EvaluationSummary | null;
  readonly probes: number;
  readonly model: string;
  readonly observed?: ObservedVersion;
  readonly fit?: InputFit;
  readonly incompatible?: Incompatible;
}

/**
 * Why clients of the version `live` could not be served by it. `true`: as the others of this list, beside the same live
 * version; there was no room for the words. `false`: compared, and nothing speaks against it; absent: as the newest says.
 */
export type Incompatible = { readonly live: string; readonly why: string } | boolean;

/** Who could not serve the clients of `live`, by reason; of no meaning while another version is live. Learned, never decided. */
export interface IncompatibleVersions {
  readonly live: string;
  /** An empty `why`: its words had no room. */
  readonly reasons: readonly { readonly why: string; readonly versions: readonly string[] }[];
}

/**
 * What the store and the controller measured of a version, for the choice of a target: learned with each list of
 * versions, never decided. A decision puts those that it was taken on into the ledger.
 */
export interface VersionFigures {
  /** Of its evaluation report, 0–1; absent where it has none. */
  readonly accuracy?: number;
  /** The class that it recalls worst, and the recall. */
  readonly weakest?: readonly [label: string, recall: number];
  readonly fit?: InputFit;
}
