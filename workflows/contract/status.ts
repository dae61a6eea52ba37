import type { Readiness, ServiceState } from '../../domain/service/state';

/** Answer of the `status` query: what the service workflow knows at this moment, without its bookkeeping. */
export interface ServiceStatus {
  readonly service: string;
  readonly readiness: Readiness;
  readonly state: Omit<ServiceState, 'outbox' | 'answered' | 'next'>;
  /** Decisions that the ledger has not confirmed yet, and the time of the oldest. */
  readonly ledgerLag: { readonly entries: number; readonly oldestAt: number | null };
}

export const statusQueryName = 'status';
/** Of the detection workflow: the limits that the live version is judged by; null before the first ones. */
export const limitsQueryName = 'limits';
