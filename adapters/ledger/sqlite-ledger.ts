import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { ChainedLedger, guarded, type AnchorOptions, type DatabaseLedger } from './chained-ledger';
import { LedgerInUse } from './errors';
import { lockFile } from './file-lock';
import { migrate } from './schema';
import { openDatabase } from './sqlite-database';

export type SqliteLedger = DatabaseLedger;

export interface SqliteLedgerOptions extends AnchorOptions {
  readonly file: string;
  /** How long a foreign reader of the file may hold up a write (this blocks the thread). Default 2 s. */
  readonly busyTimeoutMs?: number;
}

/**
 * Opens or creates the ledger file and takes it for this process. Rejects with `LedgerInUse` (names the holder's pid),
 * `LedgerSchemaUnknown`, or `LedgerUnavailable` (not a database, no permission, …).
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<SqliteLedger> {
  const { file } = options;
  const lock = await guarded('be opened', async () => {
    mkdirSync(dirname(file), { recursive: true });
    return lockFile(file);
  });
  if (!lock.held) throw new LedgerInUse(file, lock.pid);
  try {
    const db = await guarded('be opened', async () => openDatabase(file, options.busyTimeoutMs ?? 2_000));
    try {
      await guarded('be opened', () => migrate(db, file, 'sqlite', options.release ?? 'unknown'));
    } catch (error) {
      await db.destroy();
      throw error;
    }
    const storage = {
      db,
      // `begin immediate` locks the whole file, and with it the chain.
      alone: <T>(_service: string, work: Parameters<ReturnType<typeof db.transaction>['execute']>[0]) =>
        db.transaction().execute(work) as Promise<T>,
      close: async () => {
        try {
          await db.destroy();
        } finally {
          lock.release();
        }
      },
    };
    return new ChainedLedger(storage, options);
  } catch (error) {
    lock.release();
    throw error;
  }
}
