import { z } from 'zod';
import { actSignatureSchema } from './act-signature';
import type { Alert } from '../../domain/alert';
import type { ItemAction, PipelinePolicy } from '../../domain/items/pipeline-policy';
import type { Guarantee, ItemCounts } from '../../domain/items/treated';
import type { Actor } from '../../domain/ledger';

/** Start of `itemsWorkflow`. */
export interface ItemsInput {
  readonly service: string;
  readonly incident: string;
  /** The degraded version, and the one that serves instead. */
  readonly version: string;
  readonly target: string;
  readonly onsetAt: number;
  readonly shiftedAt: number;
  /** Sessions may stay on the degraded version until then; what they handle there is treated with the rest. Absent: none. */
  readonly pinnedUntil?: number;
  readonly pipelines: readonly PipelinePolicy[];
  readonly unverified: 'allow' | 'refuse';
  /** Public keys whose signature proves the actor of an order; absent: it is believed as it is written. */
  readonly actKeys?: readonly string[];
  readonly carried?: ItemsState;
  /** Tests lower it; otherwise the server's suggestion decides. */
  readonly maxEventsBeforeContinue?: number;
}

export interface PipelineProgress {
  readonly name: string;
  /** What is done, and why it is not what was asked for. */
  readonly action: ItemAction;
  readonly why: string | null;
  readonly phase: 'waits' | 'batches' | 'items' | 'done' | 'skipped';
  /** How many there are, as far as the pipeline says. */
  readonly total: number | null;
  readonly counts: ItemCounts;
  readonly guarantee: { readonly kind: Guarantee; readonly why: string } | null;
  /** Where the next page begins. */
  readonly cursor: string | null;
  /** A page that is listed and not treated: the digest of its list, and the cursor behind it. */
  readonly pending: { readonly digest: string; readonly next: string | null } | null;
  /** Number of parts that the list of outcomes has, and the digest of the newest, which names the one before it. */
  readonly parts: number;
  readonly head: string | null;
  /** It cannot be reached or refuses; asked again. */
  readonly down: { readonly since: number; readonly why: string; readonly attempts: number } | null;
}

export interface ItemsState {
  readonly pipelines: readonly PipelineProgress[];
  /** Ledger entries written so far. */
  readonly entries: number;
  readonly beganAt: number;
  /** Orders that the run before did not get to. */
  readonly orders: readonly PersonsOrder[];
  /** What people were not told yet, because the place for it is away. */
  readonly unsent?: readonly Alert[];
}

/** Answer of the query `items`. */
export interface ItemsStatus {
  readonly service: string;
  readonly incident: string;
  readonly version: string;
  readonly target: string;
  /** Until then sessions may be answered by the degraded version, and what is looked for is not complete. */
  readonly pinnedUntil?: number;
  readonly beganAt: number;
  readonly ended: boolean;
  readonly pipelines: readonly Omit<PipelineProgress, 'cursor' | 'pending'>[];
}

/** What an order is signed for, so that it fits no other workflow. */
export function itemsSubject(service: string, incident: string): string {
  return `${service}/items/${incident}`;
}

export const itemsQueryName = 'items';
/** A person's word on one pipeline of one incident; wire name. */
export const itemsOrderedName = 'itemsOrdered';

const actorSchema: z.ZodType<Actor> = z.strictObject({
  name: z.string().min(1).max(128),
  proof: z.enum(['lastgood', 'unix-user', 'token', 'oidc', 'mtls', 'unverified', 'external']),
  from: z.string().max(128),
});

/** `retry`: ask the pipeline now. `skip`: its remaining items are left as they are. */
export const itemsOrderSchema = z.strictObject({
  pipeline: z.string().min(1).max(64),
  order: z.enum(['retry', 'skip']),
  reason: z.string().min(1).max(500),
  /** Absent in a raw signal: unverified. */
  actor: actorSchema.exactOptional(),
  /** Of the controller, which knows who gives the order. */
  signature: actSignatureSchema.exactOptional(),
});
export type PersonsOrder = Omit<z.infer<typeof itemsOrderSchema>, 'signature'>;
