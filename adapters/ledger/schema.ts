import { sql, type Kysely } from 'kysely';
import { LedgerSchemaUnknown } from './errors';

/** Tables as every dialect has them. Times are milliseconds since the epoch. */
export interface LedgerTables {
  ledger_entry: {
    service: string;
    seq: number;
    key: string;
    at: number;
    kind: string;
    incident: string | null;
    /** Canonical JSON, exactly the text that was hashed. */
    entry: string;
    previous_hash: string;
    hash: string;
  };
  /** The last append of each chain: what a cut tail is measured against, and where the chain goes on. */
  ledger_head: { service: string; seq: number; hash: string };
  /** `release`: the lastgood that brought it to this version; null where an older one did. */
  ledger_schema: { version: number; release: string | null };
}

export type LedgerDialect = 'sqlite' | 'postgres';
type Migration = (db: Kysely<LedgerTables>, dialect: LedgerDialect) => Promise<void>;

/** Forward only: version n is the n-th of these, and none is ever edited after a release. */
const migrations: readonly Migration[] = [createChains, nameTheRelease];

/** What this release writes. */
export const ledgerSchemaVersion = migrations.length;

/** The newest that this release reads and writes. */
export const LEDGER_SCHEMA = migrations.length;

/** Locks out every other controller that comes up in the same moment. */
const MIGRATION_LOCK = 7_312_904;

/** Brings the tables to the newest version; refuses those that a newer lastgood wrote. `where` names them for people. */
export async function migrate(
  db: Kysely<LedgerTables>,
  where: string,
  dialect: LedgerDialect,
  release: string,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    if (dialect === 'postgres') {
      await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(tx);
      // With the tables in place and owned by another role, no right to create any is needed.
      if ((await postgresVersion(tx)) === migrations.length) return;
    }
    await tx.schema
      .createTable('ledger_schema')
      .ifNotExists()
      .addColumn('version', 'integer', (column) => column.notNull())
      .execute();
    // Of an unknown schema nothing is known but what every one has; `release` came with version 2.
    const row = (await tx.selectFrom('ledger_schema').selectAll().executeTakeFirst()) as
      { version: number; release?: string | null } | undefined;
    const found = row?.version ?? 0;
    if (found > migrations.length)
      throw new LedgerSchemaUnknown(where, found, migrations.length, { wrote: row?.release ?? null, is: release });
    if (found === migrations.length) return;
    for (const migration of migrations.slice(found)) await migration(tx, dialect);
    await tx.deleteFrom('ledger_schema').execute();
    await tx.insertInto('ledger_schema').values({ version: migrations.length, release }).execute();
  });
}

async function postgresVersion(tx: Kysely<LedgerTables>): Promise<number | null> {
  const { rows } = await sql<{ found: string | null }>`select to_regclass('ledger_schema') as found`.execute(tx);
  if ((rows[0]?.found ?? null) === null) return null;
  return (await tx.selectFrom('ledger_schema').select('version').executeTakeFirst())?.version ?? null;
}

async function createChains(db: Kysely<LedgerTables>, dialect: LedgerDialect): Promise<void> {
  await db.schema
    .createTable('ledger_entry')
    .addColumn('service', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('incident', 'text')
    .addColumn('entry', 'text', (column) => column.notNull())
    .addColumn('previous_hash', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('ledger_entry_place', ['service', 'seq'])
    .addUniqueConstraint('ledger_entry_key', ['service', 'key'])
    .execute();
  const index = (name: string, column: 'incident' | 'kind' | 'at') =>
    db.schema.createIndex(name).on('ledger_entry').columns(['service', column, 'seq']).execute();
  await index('ledger_entry_by_incident', 'incident');
  await index('ledger_entry_by_kind', 'kind');
  await index('ledger_entry_by_time', 'at');
  await db.schema
    .createTable('ledger_head')
    .addColumn('service', 'text', (column) => column.primaryKey())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .execute();
  await (dialect === 'sqlite' ? forbidInSqlite(db) : forbidInPostgres(db));
}

/** So that an older lastgood can say which one to use instead. */
async function nameTheRelease(db: Kysely<LedgerTables>): Promise<void> {
  await db.schema.alterTable('ledger_schema').addColumn('release', 'text').execute();
}

/** The database itself refuses what the interface does not have: update and delete. */
async function forbidInSqlite(db: Kysely<LedgerTables>): Promise<void> {
  const never = (name: string, event: string, when: string) =>
    sql
      .raw(`CREATE TRIGGER ${name} BEFORE ${event} ${when} BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END`)
      .execute(db);
  await never('ledger_entry_no_update', 'UPDATE', 'ON ledger_entry');
  await never('ledger_entry_no_delete', 'DELETE', 'ON ledger_entry');
  await never('ledger_head_no_delete', 'DELETE', 'ON ledger_head');
  await never('ledger_head_only_grows', 'UPDATE', 'ON ledger_head WHEN NEW.seq <= OLD.seq');
}

async function forbidInPostgres(db: Kysely<LedgerTables>): Promise<void> {
  const run = (text: string) => sql.raw(text).execute(db);
  await run(`CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$`);
  const never = (name: string, event: string, table: string, more = '') =>
    run(`CREATE TRIGGER ${name} BEFORE ${event} ON ${table} ${more} EXECUTE FUNCTION ledger_append_only()`);
  await never('ledger_entry_only_grows', 'UPDATE OR DELETE OR TRUNCATE', 'ledger_entry', 'FOR EACH STATEMENT');
  await never('ledger_head_stays', 'DELETE OR TRUNCATE', 'ledger_head', 'FOR EACH STATEMENT');
  await never('ledger_head_only_grows', 'UPDATE', 'ledger_head', 'FOR EACH ROW WHEN (NEW.seq <= OLD.seq)');
}
