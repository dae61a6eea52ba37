import type { Alert } from '../alert';
import type { DrillInput, DrillOrder } from '../drill';
import type { Actor, LedgerEntry } from '../ledger';
import type { OperationInput, OperationOrder } from '../rollback/operation';
import type { RouteRecord } from '../route';
import type { RetirementInput, RouteChanged } from './events';

/** What the interpreter does to the world. Each has its intent in the ledger first, or needs none. */
export type Effect =
  | { readonly type: 'start-operation'; readonly input: OperationInput; readonly summary: string }
  | { readonly type: 'order'; readonly operation: string; readonly order: OperationOrder }
  | { readonly type: 'start-drill'; readonly input: DrillInput; readonly summary: string }
  | { readonly type: 'order-drill'; readonly drill: string; readonly order: DrillOrder }
  | { readonly type: 'fence'; readonly epoch: number }
  | { readonly type: 'apply-route'; readonly record: RouteRecord }
  | { readonly type: 'tell-detection'; readonly message: RouteChanged }
  | {
      readonly type: 'prepare-standby';
      readonly version: string;
      readonly digest: string;
      readonly instance: string;
      readonly model: string;
    }
  /** Ends the steps of a copy that is made ready, where they are; how they end comes as an event. */
  | { readonly type: 'cancel-preparation'; readonly instance: string }
  | { readonly type: 'retire'; readonly input: RetirementInput }
  /** What runs on the host, found by looking. */
  | { readonly type: 'inspect-host' }
  | { readonly type: 'spare'; readonly instance: string }
  /** `knownToWait`: that it waits for a person was heard; one that waits unheard says so again. */
  | { readonly type: 'ask-operation'; readonly operation: string; readonly knownToWait?: boolean }
  | { readonly type: 'list-versions' }
  /** The service is detached: the workflow ends when everything before is done, and the detachment follows. */
  | { readonly type: 'end'; readonly input: DetachmentInput };

/** What is left to do for a service that was detached; it needs nobody who decides. */
export interface DetachmentInput {
  readonly service: string;
  readonly host: string;
  /** Every host with copies of the service. */
  readonly hosts: readonly string[];
  /** That was decided, also where nobody served: the detachment and its last entry have their names by it. */
  readonly epoch: number;
  /** Epoch of the record that `route` was made of; one between both was applied and not reported, and counts instead. */
  readonly basis: number;
  /** The record that stays in force; null where nobody served. */
  readonly route: RouteRecord | null;
  readonly actor: Actor;
  readonly reason: string;
  readonly graceMs: number;
  /** A host may be taken by a load for so long before it answers. */
  readonly loadMs: number;
  /** Alerts that the service workflow could not deliver. */
  readonly unsent?: readonly Alert[];
}

export type Command =
  /** Goes to the ledger, in order. */
  | { readonly kind: 'intent'; readonly entry: LedgerEntry }
  /**
   * Runs when every entry up to `afterEntry` (ledger counter) is durable; where the ledger does not answer in time,
   * `proceed` goes on with the outbox as the record and `hold` waits.
   */
  | {
      readonly kind: 'effect';
      readonly effect: Effect;
      readonly afterEntry: number;
      readonly ledgerDown: 'proceed' | 'hold';
    }
  /** Never awaited by the loop. */
  | { readonly kind: 'alert'; readonly alert: Alert }
  | { readonly kind: 'annotate'; readonly version: string; readonly text: string };
