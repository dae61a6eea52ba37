/**
 * How an item ended. `flagged`: a person must look. `superseded`: something else has handled it again meanwhile. `gone`:
 * the pipeline does not have it any more. `found`: not treated (yet).
 */
export const itemOutcomes = ['redone', 'flushed', 'flagged', 'superseded', 'gone'] as const;
export type ItemOutcome = (typeof itemOutcomes)[number];

export type ItemCounts = Readonly<Record<ItemOutcome, number>> & {
  /** Items that were found; with `unit: batch` the batches. */
  readonly found: number;
  /** Batches of which only a part was handled by the degraded version. */
  readonly partly: number;
};

export const NO_ITEMS: ItemCounts = {
  found: 0,
  partly: 0,
  redone: 0,
  flushed: 0,
  flagged: 0,
  superseded: 0,
  gone: 0,
};

/** `exactly-once`: an effect happens once whatever is killed when. */
export type Guarantee = 'exactly-once' | 'at-least-once';

export function addCounts(counts: ItemCounts, more: Partial<ItemCounts>): ItemCounts {
  const sum = { ...counts } as Record<keyof ItemCounts, number>;
  for (const [name, value] of Object.entries(more)) sum[name as keyof ItemCounts] += value;
  return sum;
}

/** The counts that are not 0, in words. */
export function countWords(counts: ItemCounts): string {
  const { found, partly, ...outcomes } = counts;
  const parts = Object.entries(outcomes).flatMap(([name, value]) => (value > 0 ? [`${value} ${name}`] : []));
  const words = parts.length === 0 ? `${found} found` : `${found} found: ${parts.join(', ')}`;
  return partly > 0 ? `${words}; ${partly} batches only partly by the degraded version` : words;
}

/**
 * Idempotency key of everything that is done with an item for an incident: sent with every request and written beside every
 * effect. ASCII, whatever the item is called.
 */
export function itemKey(incident: string, pipeline: string, item: string): string {
  return [incident, pipeline, item].map(encodeURIComponent).join('/');
}
