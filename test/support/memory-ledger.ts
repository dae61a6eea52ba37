import type { Ledger } from '../../activities/ports';
import { canonicalEntry, nextRow, readRow, type ChainRow } from '../../adapters/ledger/chain';
import { LedgerConflict, LedgerUnavailable } from '../../adapters/ledger/errors';
import { ChainVerification } from '../../adapters/ledger/verification';
import type { ChainedEntry, LedgerEntry } from '../../domain/ledger';

/**
 * `refuse`: every call rejects. `hang`: no call answers until the outage ends. `lose-answer`: an append is made and then
 * rejects, as when the completion of an activity is lost.
 */
export type Outage = 'none' | 'refuse' | 'hang' | 'lose-answer';

/** The ledger of tests that need no file; same chain, same hashes, and it can be down. */
export class MemoryLedger implements Ledger {
  private readonly chains = new Map<string, ChainRow[]>();
  private outage: Outage = 'none';
  private ended: (() => void)[] = [];

  setOutage(outage: Outage): void {
    this.outage = outage;
    if (outage !== 'hang') for (const resume of this.ended.splice(0)) resume();
  }

  /** What stands in the chain, without asking whether the ledger is up. */
  entries(service: string): ChainedEntry[] {
    return this.rows(service).map(readRow);
  }

  async append(entry: LedgerEntry): Promise<{ seq: number; hash: string; repeated: boolean }> {
    const text = canonicalEntry(entry);
    await this.available();
    const rows = this.rows(entry.service);
    const before = rows.find((row) => row.key === entry.key);
    if (before && before.entry !== text) throw new LedgerConflict(entry.service, entry.key, before.seq);
    const row = before ?? nextRow(entry, text, rows.at(-1) ?? null);
    if (!before) this.chains.set(entry.service, [...rows, row]);
    if (this.outage === 'lose-answer') throw new LedgerUnavailable('the answer of the ledger was lost');
    return { seq: row.seq, hash: row.hash, repeated: before !== undefined };
  }

  async read(service: string, query: NonNullable<Parameters<Ledger['read']>[1]> = {}): Promise<ChainedEntry[]> {
    await this.available();
    const { afterSeq, incident, kinds, untilMs, limit } = query;
    const found = this.entries(service).filter(
      (entry) =>
        (afterSeq === undefined || entry.seq > afterSeq) &&
        (incident === undefined || entry.incident === incident) &&
        (kinds === undefined || kinds.includes(entry.kind)) &&
        (untilMs === undefined || entry.at <= untilMs),
    );
    if (query.newestFirst) found.reverse();
    return found.slice(0, limit ?? found.length);
  }

  async head(service: string): Promise<{ seq: number; hash: string } | null> {
    await this.available();
    const last = this.rows(service).at(-1);
    return last ? { seq: last.seq, hash: last.hash } : null;
  }

  async verify(
    service: string,
    expectedHead?: { seq: number; hash: string },
  ): Promise<{ ok: boolean; entries: number; breaks: { seq: number; problem: string }[] }> {
    const head = await this.head(service);
    const rows = this.rows(service);
    const check = new ChainVerification(head, expectedHead ? [{ ...expectedHead, from: 'the expected head' }] : []);
    for (const row of rows) check.add(row);
    return check.finish(async (hash) => rows.find((row) => row.hash === hash)?.seq ?? null);
  }

  async services(): Promise<string[]> {
    await this.available();
    return [...this.chains.keys()].sort();
  }

  private rows(service: string): ChainRow[] {
    return this.chains.get(service) ?? [];
  }

  private async available(): Promise<void> {
    if (this.outage === 'hang') await new Promise<void>((resume) => this.ended.push(resume));
    if (this.outage === 'refuse') throw new LedgerUnavailable('the ledger does not answer');
  }
}
