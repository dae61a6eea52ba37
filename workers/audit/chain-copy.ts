import canonicalize from 'canonicalize';
import { anchorWitnesses } from '../../adapters/ledger/anchor';
import { ChainVerification, type ChainBreak, type ChainPoint } from '../../adapters/ledger/verification';
import type { ChainedEntry } from '../../domain/ledger';

export interface CheckedCopy {
  readonly ok: boolean;
  readonly entries: number;
  readonly breaks: readonly ChainBreak[];
  /** So many anchors of the file are of this service. */
  readonly anchors: number;
}

/**
 * Recomputes a chain that was read through the interface, here and not where it is kept, and compares it with anchors of
 * the reader's own. `pages` in order of `seq`. Rejects when the anchor file cannot be read.
 */
export async function checkCopy(
  service: string,
  head: ChainPoint | null,
  pages: AsyncIterable<readonly ChainedEntry[]>,
  anchorFile: string,
): Promise<CheckedCopy> {
  const witnesses = await anchorWitnesses(anchorFile, service);
  const verification = new ChainVerification(head, witnesses);
  const places = new Map<string, number>();
  for await (const page of pages)
    for (const chained of page) {
      const { seq, previousHash, hash, ...entry } = chained;
      places.set(hash, seq);
      const { key, at, kind, incident } = entry;
      verification.add({ service, seq, key, at, kind, incident, previousHash, hash, entry: canonicalize(entry) ?? '' });
    }
  const result = await verification.finish((hash) => Promise.resolve(places.get(hash) ?? null));
  return { ...result, anchors: witnesses.length };
}
