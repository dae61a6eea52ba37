import type { FaultKind, FaultSpec } from '../../domain/chaos/experiment';
import type { FaultProof } from '../../domain/chaos/observations';
import type { Json } from '../../domain/ledger';

export type { FaultProof };

/**
 * A fault that was chosen and not made yet: what it will hit, and all that is needed to take it back. Plain JSON, so that
 * it is on disk before the fault is made, and another process can take it back after the first one died.
 */
export interface PreparedFault {
  readonly kind: FaultKind;
  readonly service: string;
  /** What it hits, in words. */
  readonly target: string;
  readonly undo: { readonly [key: string]: Json };
}

/** Faults that can be made here. `version` of a spec is the name of a version. */
export interface Faults {
  /**
   * Chooses what will be hit, and changes nothing. Rejects with `FaultSelectsNothing` where there is nothing to hit, with
   * `FaultRefused` where it would reach beyond what is lastgood's own or its limits.
   */
  prepare(service: string, spec: FaultSpec): Promise<PreparedFault>;
  /**
   * Makes the fault and resolves when it was seen in effect. Rejects with `FaultDidNotHappen` when it was not; what was
   * begun is then taken back by `remove`.
   */
  inject(fault: PreparedFault): Promise<FaultProof>;
  /**
   * Takes the fault back and resolves when it was seen gone; one that ends by itself is waited for. Can be repeated, also
   * when the fault was never made. Rejects with `FaultRemains`.
   */
  remove(fault: PreparedFault): Promise<FaultProof>;
}
