import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { GatewayStorageError } from './errors';
import { migrateStorage } from './storage-schema';

export type Statement = Database.Statement;
type Work<T> = () => T;

/**
 * The gateway's one database (`gateway.db`), opened by this process alone: a second one is refused by SQLite's own lock.
 * Ordinary writes survive the death of the process; {@link Storage.durable} ones also that of the machine.
 */
export class Storage {
  private readonly db: InstanceType<typeof Database>;

  /** `release`: the lastgood that opens it, for an older one that meets what this one wrote. */
  constructor(dataDir: string, release = 'unknown') {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const file = join(dataDir, 'gateway.db');
    try {
      this.db = new Database(file);
      this.db.exec('PRAGMA locking_mode=EXCLUSIVE');
      migrateStorage(this.db, release);
      this.db.prepare('PRAGMA journal_mode=WAL').all();
      this.db.exec('PRAGMA synchronous=NORMAL');
      this.db.exec('PRAGMA secure_delete=ON');
    } catch (error) {
      throw new GatewayStorageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  prepare(sql: string): Statement {
    return this.db.prepare(sql);
  }

  /** All or nothing; nested calls join the outer transaction. */
  transaction<T>(work: Work<T>): T {
    if (this.db.inTransaction) return work();
    this.db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.db.inTransaction) this.db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Like {@link transaction}, and on disk (fsync) when it returns: for the route, the floor and the fallback. */
  durable<T>(work: Work<T>): T {
    this.db.exec('PRAGMA synchronous=FULL');
    try {
      return this.transaction(work);
    } finally {
      this.db.exec('PRAGMA synchronous=NORMAL');
    }
  }

  ensureService(service: string): void {
    this.prepare('INSERT OR IGNORE INTO services (service, last_seq, floor) VALUES (?, 0, 0)').run(service);
  }

  close(): void {
    this.db.close();
  }
}
