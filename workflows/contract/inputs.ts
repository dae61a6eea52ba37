import type { ServicePolicy } from '../../domain/policy';
import type { LiveSeen, ServiceState } from '../../domain/service/state';
import type { Attribution } from '../../domain/detection/attribution';
import type { DegradationEnded, RouteChanged } from '../../domain/service/events';
import type { Baseline, CacheSettling, ChartStates, GoodPeriod, StandingVerdict, TierReading } from './activities';

/** Newest rules of the reducer; a change in `domain/` that can change a command takes the next number. */
export const NEWEST_RULES = 3;

/** Start of `serviceWorkflow`: the first start gives the configuration, continue-as-new carries the state. */
export interface ServiceInput {
  readonly service: string;
  readonly host: string;
  readonly model: string;
  readonly policy: ServicePolicy;
  readonly rules: number;
  /** Samples of inputs are kept for this service. */
  readonly samples: boolean;
  /** Search attributes that are registered; one that is not would fail the workflow task for ever. */
  readonly searchAttributes: readonly string[];
  readonly carried?: ServiceState;
  /** Tests lower it; otherwise the server's suggestion decides. */
  readonly maxEventsBeforeContinue?: number;
}

/** Start of `cacheRepairWorkflow`: a cache that did not follow the traffic when its operation asked. */
export interface CacheRepairInput {
  readonly settling: CacheSettling;
  readonly incident: string | null;
  /** The version that was left; null where none was. */
  readonly left: string | null;
  /** Why the operation gave it up. */
  readonly why: string;
  /** From then on no entry is left that could be served. */
  readonly staleUntil: number;
  readonly attempts: number;
}

/** Start of `detectionWorkflow`; without a route it waits for the first `routeChanged`. */
export interface DetectionInput {
  readonly service: string;
  /** Something else runs what serves: who answers at its address is watched. */
  readonly external?: boolean;
  readonly carried?: DetectionState;
  readonly maxEventsBeforeContinue?: number;
}

/** A verdict that stands, as detection keeps it: who found it, why it is so, and what the service was told of it. */
export interface StandingEntry extends StandingVerdict {
  readonly version: string;
  readonly source: 'watch' | 'short-window' | 'trend';
  /** Id by which its source ends it; another one than `id` when a second source found the same metric. */
  readonly endsWith: string;
  /** Null while the cause is being asked; until then the service is not told. */
  readonly cause: {
    readonly attribution: Attribution;
    readonly reasons: readonly string[];
    /** When it was asked; absent where the watch brought it. */
    readonly at?: number;
  } | null;
  /** Epoch and suppression that the service was told last, and which incarnation of it; null: nothing yet. */
  readonly told: string | null;
}

export interface DetectionState {
  readonly route: RouteChanged | null;
  /** Position of the row that announced a newer route: the next version's charts begin there. */
  readonly applied: { readonly epoch: number; readonly cursor: number } | null;
  /** A pair: the charts are the fold of all rows up to the cursor. Whatever a cancelled watch read more is read again. */
  readonly cursor: number;
  readonly watchCharts: ChartStates;
  readonly windowCharts: ChartStates;
  readonly trendCharts: ChartStates;
  readonly standing: readonly StandingEntry[];
  /** Ends that the service was not told yet. */
  readonly ended: readonly DegradationEnded[];
  readonly baseline: Baseline | null;
  readonly baselineAt: number;
  /** Version whose history the baseline was asked for. */
  readonly baselineOf: string | null;
  readonly anchors: Readonly<Record<string, number>>;
  readonly goodPeriods: readonly GoodPeriod[];
  /** Begin of the good period that is running, null inside an incident, a bake period or an open verdict. */
  readonly goodSince: number | null;
  readonly tiers: Readonly<Record<StandingEntry['source'], readonly TierReading[]>>;
  readonly unmeasuredSince: number | null;
  readonly environment: readonly string[];
  readonly onFallback: boolean;
  readonly standbyKnown: { readonly instance: string; readonly proof: 'ok' | 'failed' } | null;
  /** Condition of the live copies, as it was told last. */
  readonly liveKnown?: {
    readonly copies: string;
    readonly condition: LiveSeen['condition'];
    readonly down?: readonly string[];
    /** Their hosts said so; who looks from here sees silence. */
    readonly byHosts?: true;
  } | null;
  /** Who answered at the address of the service, as it was told last. */
  readonly servingKnown?: { readonly key: string; readonly address: string };
  readonly nextWindowAt: number;
  readonly nextTrendAt: number;
}
