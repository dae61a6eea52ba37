import type { ItemAction } from '../../domain/items/pipeline-policy';
import type { Guarantee, ItemOutcome } from '../../domain/items/treated';
import type { Json } from '../../domain/ledger';

/** Items that one version handled in [fromMs, toMs). */
export interface ItemsWindow {
  readonly version: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** One item, or with `unit: batch` one batch with its number of items and how many the version handled. */
export interface HandledUnit {
  readonly id: string;
  readonly items: number;
  readonly degraded: number;
  /** With `unit: batch`: an item that belongs to none. */
  readonly alone?: true;
  /** Where the pipeline finds it, in its own words. */
  readonly ref?: string;
}

export interface UnitPage {
  readonly units: readonly HandledUnit[];
  /** Where the next page begins; null: this was the last one. Opaque, at most 1 KiB. */
  readonly next: string | null;
}

export interface TreatOrder {
  readonly service: string;
  readonly incident: string;
  /** Name of the pipeline. */
  readonly pipeline: string;
  readonly action: ItemAction;
  /** Said of what is flagged by order. */
  readonly why: string;
  /** The degraded version. */
  readonly version: string;
  readonly unit: 'item' | 'batch';
}

export interface TreatedItem {
  /** The unit as it was listed. */
  readonly unit: string;
  readonly item: string;
  readonly outcome: ItemOutcome;
  readonly why: string | null;
  /** The version that redid it. */
  readonly version: string | null;
}

/**
 * Where items come from and where their results go. Errors are the adapter's own: `PipelineUnreachable` (asked again
 * later), `PipelineRefused` (says what must be changed). An item that cannot be treated is an outcome, never an error.
 */
export interface Pipeline {
  readonly guarantee: { readonly kind: Guarantee; readonly why: string };
  /** How many units there are, for people; null where that cannot be said cheaply. */
  count(window: ItemsWindow): Promise<number | null>;
  /** The same items in the same order however often it is asked, as long as nobody treats one behind the cursor. */
  list(window: ItemsWindow, cursor: string | null, limit: number): Promise<UnitPage>;
  /** Batches of which the version handled only a part; absent where the pipeline knows no batches. */
  partlyHandled?(window: ItemsWindow, cursor: string | null, limit: number): Promise<UnitPage>;
  /**
   * Does it, for each unit at most once where {@link Pipeline.guarantee} says so, whoever else does the same. Answers for a
   * unit that was treated before with how it ended then.
   */
  treat(order: TreatOrder, units: readonly HandledUnit[], signal: AbortSignal): Promise<TreatedItem[]>;
}

export interface Pipelines {
  /** Null where the configuration has none of that name (any more). */
  of(service: string, pipeline: string): Pipeline | null;
}

/** The version that serves now, asked the way of the clients. */
export interface ModelCalls {
  /**
   * `refused`: it answered and does not take this request; asked again it would say the same. Rejects with
   * `ModelUnavailable`, or `RedoneByDegraded` where the version answers that is the reason for all this.
   */
  ask(
    call: { readonly service: string; readonly key: string; readonly body: Json; readonly degraded: string },
    signal: AbortSignal,
  ): Promise<
    | {
        readonly kind: 'answered';
        readonly version: string;
        readonly outputs: Readonly<Record<string, string | number>>;
      }
    | { readonly kind: 'refused'; readonly status: number }
  >;
}
