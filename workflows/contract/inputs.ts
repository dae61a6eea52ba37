import type { ServicePolicy } from '../../domain/policy';
import type { ServiceState } from '../../domain/service/state';
import type { RouteChanged } from '../../domain/service/events';
import type { Baseline, ChartStates, GoodPeriod, StandingVerdict, TierReading } from './activities';

/** Newest rules of the reducer; a change in `domain/` that can change a command takes the next number. */
export const NEWEST_RULES = 1;

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

/** Start of `detectionWorkflow`; without a route it waits for the first `routeChanged`. */
export interface DetectionInput {
  readonly service: string;
  readonly carried?: DetectionState;
  readonly maxEventsBeforeContinue?: number;
}

export interface DetectionState {
  readonly route: RouteChanged | null;
  readonly cursor: number;
  readonly watchCharts: ChartStates;
  readonly windowCharts: ChartStates;
  readonly trendCharts: ChartStates;
  readonly standing: readonly (StandingVerdict & { readonly suppressed: boolean; readonly reportedEpoch: number })[];
  readonly baseline: Baseline | null;
  readonly goodPeriods: readonly GoodPeriod[];
  /** Begin of the good period that is running, null inside an incident, a bake period or an open verdict. */
  readonly goodSince: number | null;
  readonly tiers: readonly TierReading[];
  readonly nextWindowAt: number;
  readonly nextTrendAt: number;
  readonly verdictCounter: number;
}
