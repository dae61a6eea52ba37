import type { RouteRecord } from '../route';
import type { Backend } from '../route';
import type { Bake, BreakerState, Confirming, Incident, Operation, VersionFacts } from './state';

/** What the ledger still knows of a service whose workflow was lost: the newest value of each fact that decisions need. */
export interface RecoveredState {
  readonly seq: number;
  readonly at: number;
  readonly route: RouteRecord | null;
  readonly highestEpoch: number;
  readonly versions: readonly VersionFacts[];
  readonly cooldownUntil: number | null;
  readonly breaker: BreakerState;
  readonly consecutive: number;
  readonly openIncident: string | null;
  readonly incidentCounter: number;
  readonly mode: 'observe' | 'confirm' | 'act' | null;
  /** The operation that was in flight; its child outlives the service workflow (`ABANDON`) and is taken over. */
  readonly operation?: Operation | null;
  readonly incident?: Incident | null;
  readonly bake?: Bake | null;
  readonly confirming?: Confirming | null;
  readonly pausedUntil?: number | null;
  readonly standby?: { readonly version: string; readonly backend: Backend } | null;
}
