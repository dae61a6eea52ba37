import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { z } from 'zod';
import type { ChainedEntry, LedgerEntry } from '../../domain/ledger';
import { LedgerCorrupt, LedgerEntryInvalid, LedgerEntryTooLarge } from './errors';

/** What the first entry of a chain names as its predecessor. */
export const genesisHash = '0'.repeat(64);
export const factsLimitBytes = 12 * 1024;
export const entryLimitBytes = 16 * 1024;

/** One row as every storage keeps it: `entry` is the canonical JSON that was hashed, the others repeat parts of it. */
export interface ChainRow {
  readonly service: string;
  readonly seq: number;
  readonly key: string;
  readonly at: number;
  readonly kind: string;
  readonly incident: string | null;
  readonly entry: string;
  readonly previousHash: string;
  readonly hash: string;
}

const name = z.string().min(1).max(512);
const entrySchema = z.strictObject({
  service: name,
  key: name,
  at: z.number().int().nonnegative(),
  kind: name,
  incident: name.nullable(),
  actor: z.strictObject({ name: z.string(), proof: name, from: z.string() }),
  summary: z.string(),
  facts: z.record(z.string(), z.unknown()),
});

/**
 * The bytes that are hashed: RFC 8785. Rejects what a chain cannot hold (`LedgerEntryInvalid`, `LedgerEntryTooLarge`).
 */
export function canonicalEntry(entry: LedgerEntry): string {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new LedgerEntryInvalid(`ledger entry ${String(entry?.key)}: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const factsBytes = Buffer.byteLength(canonical(entry.key, entry.facts));
  if (factsBytes > factsLimitBytes) throw new LedgerEntryTooLarge(entry.key, 'facts', factsBytes, factsLimitBytes);
  const text = canonical(entry.key, entry);
  const bytes = Buffer.byteLength(text);
  if (bytes > entryLimitBytes) throw new LedgerEntryTooLarge(entry.key, 'entry', bytes, entryLimitBytes);
  return text;
}

function canonical(key: string, value: unknown): string {
  try {
    const text = canonicalize(value);
    if (text !== undefined) return text;
  } catch (error) {
    throw new LedgerEntryInvalid(`ledger entry ${key} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  throw new LedgerEntryInvalid(`ledger entry ${key} is not JSON`);
}

/** Hex SHA-256 over the hex hash of the predecessor followed by the canonical JSON of the entry. */
export function chainHash(previousHash: string, entryText: string): string {
  return createHash('sha256').update(previousHash).update(entryText, 'utf8').digest('hex');
}

/** The row that follows `previous` (null: the chain is empty). */
export function nextRow(entry: LedgerEntry, text: string, previous: { seq: number; hash: string } | null): ChainRow {
  const previousHash = previous?.hash ?? genesisHash;
  return {
    service: entry.service,
    seq: (previous?.seq ?? 0) + 1,
    key: entry.key,
    at: entry.at,
    kind: entry.kind,
    incident: entry.incident,
    entry: text,
    previousHash,
    hash: chainHash(previousHash, text),
  };
}

/** The entry as readers get it. Rejects with `LedgerCorrupt` when the stored text is not an entry any more. */
export function readRow(row: ChainRow): ChainedEntry {
  const problem = rowProblem(row);
  if (typeof problem === 'string') throw new LedgerCorrupt(row.service, row.seq, problem);
  return { ...problem, seq: row.seq, previousHash: row.previousHash, hash: row.hash };
}

/** The entry in the row, or why it is none; the columns beside the text must repeat what it says. */
export function rowProblem(row: ChainRow): LedgerEntry | string {
  let value: unknown;
  try {
    value = JSON.parse(row.entry);
  } catch {
    return 'its text is not JSON';
  }
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) return 'its text is not a ledger entry';
  const entry = value as LedgerEntry;
  for (const column of ['service', 'key', 'at', 'kind', 'incident'] as const) {
    if (entry[column] !== row[column]) {
      return `its column ${column} says ${String(row[column])}, its text says ${String(entry[column])}`;
    }
  }
  return entry;
}
