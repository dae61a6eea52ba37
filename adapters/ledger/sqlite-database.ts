import { Kysely, SqliteDialect, SqliteDriver, type Driver, type SqliteDatabase } from 'kysely';
import Database from 'libsql';
import type { LedgerTables } from './schema';

/**
 * `begin immediate` takes the write lock at the start: a deferred transaction that reads before it writes can fail
 * halfway with SQLITE_BUSY, and two of them could read the same head. By `exec`, because libsql never resets a prepared
 * `begin` that met SQLITE_BUSY: from then on every commit of the connection fails with "SQL statements in progress".
 */
class ImmediateDriver extends SqliteDriver {
  constructor(
    database: SqliteDatabase,
    private readonly connection: Database.Database,
  ) {
    super({ database });
  }

  override async beginTransaction(): Promise<void> {
    this.connection.exec('begin immediate');
  }

  override async commitTransaction(): Promise<void> {
    this.connection.exec('commit');
  }

  override async rollbackTransaction(): Promise<void> {
    // A full disk or an I/O error rolls back by itself; a second rollback would hide the error that matters.
    if (this.connection.inTransaction) this.connection.exec('rollback');
  }
}

class LibsqlDialect extends SqliteDialect {
  constructor(
    private readonly database: SqliteDatabase,
    private readonly connection: Database.Database,
  ) {
    super({ database });
  }

  override createDriver(): Driver {
    return new ImmediateDriver(this.database, this.connection);
  }
}

/** Opens the file so that a commit that returned survives a power cut: WAL with a sync at every commit. */
export function openDatabase(file: string, busyTimeoutMs: number): Kysely<LedgerTables> {
  const connection = new Database(file);
  try {
    connection.pragma(`busy_timeout = ${busyTimeoutMs}`);
    connection.pragma('journal_mode = WAL');
    connection.pragma('synchronous = FULL');
  } catch (error) {
    connection.close();
    throw error;
  }
  // libsql has the interface of better-sqlite3, which Kysely's own dialect speaks; only its types differ.
  const database = connection as unknown as SqliteDatabase;
  return new Kysely<LedgerTables>({ dialect: new LibsqlDialect(database, connection) });
}
