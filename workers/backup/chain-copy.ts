import { open } from 'node:fs/promises';
import { recoverState } from '../../activities/recover-state';
import { readAnchors } from '../../adapters/ledger/anchor';
import { readRow, type ChainRow } from '../../adapters/ledger/chain';
import {
  ChainVerification,
  type ChainBreak,
  type ChainPoint,
  type WitnessedPoint,
} from '../../adapters/ledger/verification';
import type { Ledger } from '../../activities/ports';
import type { LedgerChains } from '../../api/ports';
import type { RecoveredState } from '../../domain/service/recovery';

const pageRows = 500;

export interface CopiedChain {
  readonly head: ChainPoint | null;
  readonly entries: number;
  readonly breaks: readonly ChainBreak[];
}

/** Writes one chain up to its end of now into `file`, one row a line, and recomputes it on the way. */
export async function copyChain(
  chains: LedgerChains,
  service: string,
  file: string,
  anchors: readonly WitnessedPoint[],
): Promise<CopiedChain> {
  const head = await chains.head(service);
  const until = head?.seq ?? 0;
  const verification = new ChainVerification(
    head,
    anchors.filter(({ seq }) => seq <= until),
  );
  const out = await open(file, 'w', 0o600);
  try {
    for (let after = 0; after < until;) {
      const rows = (await chains.rows(service, after, until, pageRows)) as ChainRow[];
      for (const row of rows) verification.add(row);
      await out.writeFile(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.seq;
    }
  } finally {
    await out.close();
  }
  const { entries, breaks } = await verification.finish(() => Promise.resolve(null));
  return { head, entries, breaks };
}

/** What the ledger knows of the service: what a service workflow begins with that starts without state. */
export async function recordedState(chains: LedgerChains, service: string): Promise<RecoveredState | null> {
  const until = (await chains.head(service))?.seq ?? 0;
  const read: Ledger['read'] = async (_service, { afterSeq = 0, limit = pageRows, newestFirst = false } = {}) => {
    const from = newestFirst ? Math.max(0, until - limit) : afterSeq;
    const rows = (await chains.rows(service, from, until, limit)) as ChainRow[];
    const entries = rows.map(readRow);
    return newestFirst ? entries.reverse() : entries;
  };
  return await recoverState({ ledger: { read } as Ledger })(service);
}

/** Every anchor that can be read, by service; none where there is no file yet. */
export async function anchorsByService(file: string): Promise<Map<string, WitnessedPoint[]>> {
  const byService = new Map<string, WitnessedPoint[]>();
  const { anchors } = await readAnchors(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return { anchors: [] };
    throw error;
  });
  for (const { service, seq, hash, at } of anchors) {
    const from = `the anchor of ${new Date(at).toISOString()}`;
    byService.set(service, [...(byService.get(service) ?? []), { seq, hash, from }]);
  }
  return byService;
}
