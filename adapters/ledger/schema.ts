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
  ledger_schema: { version: number };
}

type Migration = (db: Kysely<LedgerTables>) => Promise<void>;

/** Forward only: version n is the n-th of these, and none is ever edited after a release. */
const migrations: readonly Migration[] = [createChains];

/** Brings the file to the newest version; refuses one that a newer lastgood wrote. */
export async function migrate(db: Kysely<LedgerTables>, file: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx.schema
      .createTable('ledger_schema')
      .ifNotExists()
      .addColumn('version', 'integer', (column) => column.notNull())
      .execute();
    const found = (await tx.selectFrom('ledger_schema').select('version').executeTakeFirst())?.version ?? 0;
    if (found > migrations.length) throw new LedgerSchemaUnknown(file, found, migrations.length);
    if (found === migrations.length) return;
    for (const migration of migrations.slice(found)) await migration(tx);
    await tx.deleteFrom('ledger_schema').execute();
    await tx.insertInto('ledger_schema').values({ version: migrations.length }).execute();
  });
}

async function createChains(db: Kysely<LedgerTables>): Promise<void> {
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
  await forbid(db);
}

/** The database itself refuses what the interface does not have: update and delete. SQLite's syntax for triggers. */
async function forbid(db: Kysely<LedgerTables>): Promise<void> {
  const never = (name: string, event: string, when: string) =>
    sql
      .raw(`CREATE TRIGGER ${name} BEFORE ${event} ${when} BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END`)
      .execute(db);
  await never('ledger_entry_no_update', 'UPDATE', 'ON ledger_entry');
  await never('ledger_entry_no_delete', 'DELETE', 'ON ledger_entry');
  await never('ledger_head_no_delete', 'DELETE', 'ON ledger_head');
  await never('ledger_head_only_grows', 'UPDATE', 'ON ledger_head WHEN NEW.seq <= OLD.seq');
}
