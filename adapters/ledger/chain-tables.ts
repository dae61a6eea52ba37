import type { Kysely, Transaction } from 'kysely';
import type { LedgerEntry } from '../../domain/ledger';
import { nextRow, type ChainRow } from './chain';
import { LedgerConflict } from './errors';
import type { LedgerTables } from './schema';
import type { ChainPoint } from './verification';

type Database = Kysely<LedgerTables>;

/** One append inside a transaction that holds the chain's lock. Rejects with `LedgerConflict`. */
export async function appendIn(
  tx: Transaction<LedgerTables>,
  entry: LedgerEntry,
  text: string,
): Promise<{ seq: number; hash: string; repeated: boolean }> {
  const before = await tx
    .selectFrom('ledger_entry')
    .select(['seq', 'hash', 'entry'])
    .where('service', '=', entry.service)
    .where('key', '=', entry.key)
    .executeTakeFirst();
  if (before?.entry === text) return { seq: before.seq, hash: before.hash, repeated: true };
  if (before) throw new LedgerConflict(entry.service, entry.key, before.seq);

  const row = nextRow(entry, text, await chainEnd(tx, entry.service));
  const { previousHash, ...columns } = row;
  await tx
    .insertInto('ledger_entry')
    .values({ ...columns, previous_hash: previousHash })
    .execute();
  const point = { seq: row.seq, hash: row.hash };
  await tx
    .insertInto('ledger_head')
    .values({ service: row.service, ...point })
    .onConflict((conflict) => conflict.column('service').doUpdateSet(point))
    .execute();
  return { ...point, repeated: false };
}

/**
 * Where the chain goes on: normally the last row. After a cut tail the head record is further: going on from there
 * leaves the gap to be found for ever, and the decisions of today are still written down.
 */
export async function chainEnd(db: Database, service: string): Promise<ChainPoint | null> {
  const [last, noted] = [await lastRow(db, service), await headRecord(db, service)];
  if (last === null || noted === null) return last ?? noted;
  return noted.seq > last.seq ? noted : last;
}

/** The newest entry that is there. */
export async function lastRow(db: Database, service: string): Promise<ChainPoint | null> {
  const rows = db.selectFrom('ledger_entry').select(['seq', 'hash']).where('service', '=', service);
  return (await rows.orderBy('seq', 'desc').limit(1).executeTakeFirst()) ?? null;
}

/** What the last append noted about itself. */
export async function headRecord(db: Database, service: string): Promise<ChainPoint | null> {
  const rows = db.selectFrom('ledger_head').select(['seq', 'hash']).where('service', '=', service);
  return (await rows.executeTakeFirst()) ?? null;
}

/** Where an entry with this hash stands now. */
export async function placeOf(db: Database, service: string, hash: string): Promise<number | null> {
  const rows = db.selectFrom('ledger_entry').select('seq').where('service', '=', service).where('hash', '=', hash);
  return (await rows.limit(1).executeTakeFirst())?.seq ?? null;
}

/** The rows of one chain, unordered, as the pure part of the ledger reads them. */
export function selectRows(db: Database, service: string) {
  return db
    .selectFrom('ledger_entry')
    .select(['service', 'seq', 'key', 'at', 'kind', 'incident', 'entry', 'previous_hash as previousHash', 'hash'])
    .where('service', '=', service)
    .$castTo<ChainRow>();
}

/** Rows as they are, in order, with the head that they lead to. */
export async function insertRows(
  tx: Transaction<LedgerTables>,
  pages: AsyncIterable<readonly ChainRow[]>,
): Promise<void> {
  let last: ChainRow | undefined;
  for await (const page of pages) {
    if (page.length === 0) continue;
    const rows = page.map(({ previousHash, ...columns }) => ({ ...columns, previous_hash: previousHash }));
    await tx.insertInto('ledger_entry').values(rows).execute();
    last = page.at(-1);
  }
  if (last === undefined) return;
  const { service, seq, hash } = last;
  await tx.insertInto('ledger_head').values({ service, seq, hash }).execute();
}
