import { createHash } from 'node:crypto';
import { z } from 'zod';
import { itemOutcomes } from '../../domain/items/treated';
import type { EvidenceStore, HandledUnit, TreatedItem } from '../ports';

/** A list of items is not there, or is no list of ours; nothing is done without it. */
export class ItemListMissing extends Error {
  override readonly name = 'ItemListMissing';
}

const id = z.string().max(2_000);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

const headSchema = z.strictObject({
  kind: z.enum(['found', 'treated', 'partly-handled']),
  service: z.string(),
  incident: z.string(),
  pipeline: z.string(),
  /** Numbered from 1; the part before it is `previous`. */
  part: z.int(),
  previous: digest.nullable(),
});
export type ListHead = z.infer<typeof headSchema>;

/** Lines of `found` and `partly-handled`. */
const unitSchema = z.strictObject({
  id,
  items: z.int(),
  degraded: z.int(),
  alone: z.literal(true).exactOptional(),
  ref: z.string().max(200).exactOptional(),
});
/** Lines of `treated`. */
const treatedSchema = z.strictObject({
  unit: id,
  item: id,
  outcome: z.enum(itemOutcomes),
  why: z.string().nullable(),
  version: z.string().nullable(),
});

export type ListLine = HandledUnit | TreatedItem;
export interface ItemList {
  readonly head: ListHead;
  readonly lines: readonly ListLine[];
}

/** Keeps one part as evidence, newline-delimited JSON named by its digest. The same part again is the same file. */
export async function keepList(evidence: EvidenceStore, head: ListHead, lines: readonly ListLine[]): Promise<string> {
  const text = [head, ...lines].map((line) => `${JSON.stringify(line)}\n`).join('');
  const name = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  await evidence.keep(head.service, head.incident, name, text, 'ndjson');
  return name;
}

/** Rejects with {@link ItemListMissing}. */
export async function readList(
  evidence: Pick<EvidenceStore, 'read'>,
  service: string,
  incident: string,
  name: string,
): Promise<ItemList> {
  const text = await evidence.read(service, incident, name, 'ndjson');
  if (text === null)
    throw new ItemListMissing(`${service} ${incident}: the list ${name} is not where evidence is kept`);
  const [first = '', ...rest] = text.trimEnd().split('\n');
  const head = headSchema.parse(JSON.parse(first));
  const schema = head.kind === 'treated' ? treatedSchema : unitSchema;
  return { head, lines: rest.map((line) => schema.parse(JSON.parse(line))) };
}
