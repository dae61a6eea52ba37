import { CompiledQuery, Kysely, SqliteDialect, SqliteDriver, type DatabaseConnection, type Driver } from 'kysely';
import type { SqliteDatabase, SqliteDialectConfig } from 'kysely';
import Database from 'libsql';
import type { LedgerTables } from './schema';

/**
 * Takes the write lock at the start of a transaction: a deferred one that reads before it writes can fail halfway with
 * SQLITE_BUSY, and two of them could read the same head.
 */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
}

class LibsqlDialect extends SqliteDialect {
  constructor(private readonly config: SqliteDialectConfig) {
    super(config);
  }

  override createDriver(): Driver {
    return new ImmediateDriver(this.config);
  }
}

/** Opens the file so that a commit that returned survives a power cut: WAL with a sync at every commit. */
export function openDatabase(file: string, busyTimeoutMs: number): Kysely<LedgerTables> {
  const database = new Database(file);
  try {
    database.pragma(`busy_timeout = ${busyTimeoutMs}`);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
  } catch (error) {
    database.close();
    throw error;
  }
  // libsql has the interface of better-sqlite3, which Kysely's own dialect speaks.
  return new Kysely<LedgerTables>({ dialect: new LibsqlDialect({ database: database as unknown as SqliteDatabase }) });
}
