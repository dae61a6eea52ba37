import type { Kysely, Transaction } from 'kysely';
import type { Ledger } from '../../activities/ports';
import type { ChainedEntry, LedgerEntry } from '../../domain/ledger';
import { anchorWitnesses, writeAnchors, type Anchor } from './anchor';
import { canonicalEntry, readRow, type ChainRow } from './chain';
import { appendIn, chainEnd, headRecord, insertRows, lastRow, placeOf, selectRows } from './chain-tables';
import {
  LedgerConflict,
  LedgerCorrupt,
  LedgerInUse,
  LedgerNotEmpty,
  LedgerSchemaUnknown,
  LedgerUnavailable,
} from './errors';
import type { LedgerTables } from './schema';
import { ChainVerification, type ChainBreak, type ChainPoint, type WitnessedPoint } from './verification';

type ReadQuery = NonNullable<Parameters<Ledger['read']>[1]>;
type Verification = { ok: boolean; entries: number; breaks: ChainBreak[] };

/** A database with the ledger's tables. */
export interface LedgerStorage {
  readonly db: Kysely<LedgerTables>;
  /** One transaction in which nobody else appends to the chain of this service. */
  alone<T>(service: string, work: (tx: Transaction<LedgerTables>) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface AnchorOptions {
  /** The lastgood that opens it, for an older one that meets what this one wrote. */
  readonly release?: string;
  /** Belongs on another disk or host: who can rewrite the ledger should not be able to rewrite this too. */
  readonly anchorFile?: string;
  /** Default one hour. */
  readonly anchorEveryMs?: number;
  /** Where a failed anchoring goes; the next one comes by itself. */
  readonly onAnchorFailed?: (error: Error) => void;
}

/** The chains as they are kept, for a backup: the texts that were hashed, and the hashes. */
export interface LedgerChains {
  /** Rows above `afterSeq` up to `untilSeq`, in order, at most `limit`. */
  rows(service: string, afterSeq: number, untilSeq: number, limit: number): Promise<ChainRow[]>;
  /** Puts the rows of a backup into a chain that is empty, as they are. Rejects with `LedgerNotEmpty`. */
  putBack(service: string, rows: AsyncIterable<readonly ChainRow[]>): Promise<void>;
}

export interface DatabaseLedger extends Ledger, LedgerChains {
  /** Notes the head of every chain that grew since its last anchor; what it noted. Nothing without an anchor file. */
  anchor(): Promise<Anchor[]>;
  /** `verify` against the given anchor file instead of the configured one. Rejects when the file cannot be read. */
  verifyAgainstAnchors(service: string, anchorFile: string): Promise<Verification>;
  /** Anchors, closes the database and lets the next process have it. Idempotent. */
  close(): Promise<void>;
}

const verifyPageRows = 500;

/**
 * The chains in a database of either kind: append, read, verify, anchor. What differs (how a chain is locked, who may open
 * it) is in `sqlite-ledger.ts` and `postgres-ledger.ts`.
 */
export class ChainedLedger implements DatabaseLedger {
  private readonly timer: NodeJS.Timeout | null;
  private readonly anchored = new Map<string, number>();
  private closing: Promise<void> | null = null;

  constructor(
    private readonly storage: LedgerStorage,
    private readonly options: AnchorOptions,
  ) {
    const everyMs = options.anchorEveryMs ?? 3_600_000;
    this.timer = options.anchorFile === undefined ? null : setInterval(() => void this.tryAnchor(), everyMs).unref();
  }

  async append(entry: LedgerEntry): Promise<{ seq: number; hash: string; repeated: boolean }> {
    const text = canonicalEntry(entry);
    return this.ask('take an entry', () => this.storage.alone(entry.service, (tx) => appendIn(tx, entry, text)));
  }

  async read(service: string, query: ReadQuery = {}): Promise<ChainedEntry[]> {
    if (query.kinds?.length === 0 || query.limit === 0) return [];
    const rows = await this.ask('be read', () => {
      let select = selectRows(this.storage.db, service).orderBy('seq', query.newestFirst ? 'desc' : 'asc');
      if (query.afterSeq !== undefined) select = select.where('seq', '>', query.afterSeq);
      if (query.incident !== undefined) select = select.where('incident', '=', query.incident);
      if (query.kinds) select = select.where('kind', 'in', query.kinds);
      if (query.untilMs !== undefined) select = select.where('at', '<=', query.untilMs);
      if (query.limit !== undefined) select = select.limit(query.limit);
      return select.execute();
    });
    return rows.map(readRow);
  }

  head(service: string): Promise<ChainPoint | null> {
    return this.ask('be read', () => chainEnd(this.storage.db, service));
  }

  async verify(service: string, expectedHead?: ChainPoint): Promise<Verification> {
    const expected = expectedHead ? [{ ...expectedHead, from: 'the expected head' }] : [];
    const { anchorFile } = this.options;
    if (anchorFile === undefined) return this.check(service, expected);
    let anchors: WitnessedPoint[] = [];
    let unreadable: string | null = null;
    try {
      anchors = await anchorWitnesses(anchorFile, service);
    } catch (error) {
      // Before the first anchor there is no file, and nothing that could contradict the chain.
      const none = (error as NodeJS.ErrnoException).code === 'ENOENT' && !this.anchored.has(service);
      if (!none) unreadable = `the anchor file ${anchorFile} cannot be read: ${(error as Error).message}`;
    }
    const result = await this.check(service, [...expected, ...anchors]);
    if (unreadable === null) return result;
    return { ...result, ok: false, breaks: [{ seq: 0, problem: unreadable }, ...result.breaks] };
  }

  async verifyAgainstAnchors(service: string, anchorFile: string): Promise<Verification> {
    return this.check(service, await anchorWitnesses(anchorFile, service));
  }

  async services(): Promise<string[]> {
    // From both tables: a chain whose entries were all deleted is still one that must be verified.
    const rows = await this.ask('be read', () =>
      this.storage.db
        .selectFrom('ledger_entry')
        .select('service')
        .union(this.storage.db.selectFrom('ledger_head').select('service'))
        .execute(),
    );
    return rows.map((row) => row.service).sort();
  }

  async anchor(): Promise<Anchor[]> {
    const { anchorFile } = this.options;
    if (anchorFile === undefined) return [];
    const anchors: Anchor[] = [];
    for (const service of await this.services()) {
      const head = await this.head(service);
      if (head && head.seq > (this.anchored.get(service) ?? 0)) anchors.push({ service, ...head, at: Date.now() });
    }
    if (anchors.length === 0) return [];
    await this.ask('be anchored', () => writeAnchors(anchorFile, anchors));
    for (const { service, seq } of anchors) this.anchored.set(service, seq);
    return anchors;
  }

  rows(service: string, afterSeq: number, untilSeq: number, limit: number): Promise<ChainRow[]> {
    return this.ask('be read', () =>
      selectRows(this.storage.db, service)
        .where('seq', '>', afterSeq)
        .where('seq', '<=', untilSeq)
        .orderBy('seq')
        .limit(limit)
        .execute(),
    );
  }

  putBack(service: string, pages: AsyncIterable<readonly ChainRow[]>): Promise<void> {
    return this.ask('take a backup', () =>
      this.storage.alone(service, async (tx) => {
        if ((await chainEnd(tx, service)) !== null)
          throw new LedgerNotEmpty(`the ledger has decisions of ${service} already; nothing was changed`);
        await insertRows(tx, pages);
      }),
    );
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.tryAnchor(true);
    await this.storage.close();
  }

  private async tryAnchor(last = false): Promise<void> {
    if (this.closing && !last) return;
    try {
      await this.anchor();
    } catch (error) {
      this.options.onAnchorFailed?.(error as Error);
    }
  }

  private async check(service: string, witnesses: readonly WitnessedPoint[]): Promise<Verification> {
    // In this order: an append in between moves the head with its row, so it can look neither missing nor foreign.
    const last = await this.ask('be verified', () => lastRow(this.storage.db, service));
    const head = await this.ask('be verified', () => headRecord(this.storage.db, service));
    const until = Math.max(head?.seq ?? 0, last?.seq ?? 0);
    const verification = new ChainVerification(head, witnesses);
    let after = Number.MIN_SAFE_INTEGER;
    for (;;) {
      const page = await this.ask('be verified', () =>
        selectRows(this.storage.db, service)
          .where('seq', '>', after)
          .where('seq', '<=', until)
          .orderBy('seq')
          .limit(verifyPageRows)
          .execute(),
      );
      for (const row of page) verification.add(row);
      const end = page.at(-1);
      if (end === undefined) break;
      after = end.seq;
    }
    return verification.finish((hash) => this.ask('be verified', () => placeOf(this.storage.db, service, hash)));
  }

  private ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    return guarded(what, work);
  }
}

/** Names what could not be done; errors of our own stay what they are. */
export async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const ours = [LedgerConflict, LedgerCorrupt, LedgerInUse, LedgerNotEmpty, LedgerSchemaUnknown, LedgerUnavailable];
    if (ours.some((known) => error instanceof known)) throw error;
    throw new LedgerUnavailable(`the ledger cannot ${what}: ${(error as Error).message}`, { cause: error });
  }
}
