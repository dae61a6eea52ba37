import type { ItemAction } from '../../domain/items/pipeline-policy';
import type { Guarantee, ItemCounts } from '../../domain/items/treated';

export interface AboutPipeline {
  readonly service: string;
  readonly incident: string;
  readonly pipeline: string;
  /** The degraded version. */
  readonly version: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Queue `lastgood-control`; they reject with `PipelineUnreachable`, `PipelineRefused` or `ModelUnavailable`. */
export interface ItemsActivities {
  /**
   * Reads one page and keeps it as a file before anything is done with it: what is treated no longer looks like what has
   * to be. Read-only for the pipeline; the same page again is the same file.
   */
  listItems(input: AboutPipeline & { readonly cursor: string | null; readonly count: boolean }): Promise<{
    readonly found: number;
    /** Null where the page is empty. */
    readonly digest: string | null;
    readonly next: string | null;
    readonly total: number | null;
    readonly guarantee: { readonly kind: Guarantee; readonly why: string };
    /** Batches must be looked for first: treating their items changes what they look like. */
    readonly knowsBatches: boolean;
  }>;
  /** One page of batches that were only partly handled by the version, as a part of the list of outcomes. Read-only. */
  listPartlyHandled(
    input: AboutPipeline & { readonly cursor: string | null; readonly part: number; readonly previous: string | null },
  ): Promise<{ readonly partly: number; readonly next: string | null; readonly head: string | null }>;
  /** Treats what was listed; idempotent by the pipeline's own marks. The outcomes are a part of the list that is kept. */
  treatItems(
    input: AboutPipeline & {
      readonly digest: string;
      readonly action: ItemAction;
      readonly unit: 'item' | 'batch';
      readonly why: string;
      readonly part: number;
      readonly previous: string | null;
    },
  ): Promise<{ readonly counts: Partial<ItemCounts>; readonly head: string }>;
}
