import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { GatewayStorageError } from './errors';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS services (
  service TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, record TEXT, floor INTEGER NOT NULL, in_force_since REAL,
  fallback TEXT
);
CREATE TABLE IF NOT EXISTS process (id INTEGER PRIMARY KEY CHECK (id = 1), alive_at REAL NOT NULL, clean INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
  service TEXT NOT NULL, seq INTEGER NOT NULL, from_ms REAL NOT NULL, to_ms REAL NOT NULL, kind TEXT NOT NULL,
  json TEXT NOT NULL, sketch BLOB, PRIMARY KEY (service, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS rows_by_time ON rows (service, from_ms);
CREATE TABLE IF NOT EXISTS minutes (
  service TEXT NOT NULL, minute_ms REAL NOT NULL, lane TEXT NOT NULL, json TEXT NOT NULL, sketch BLOB,
  PRIMARY KEY (service, minute_ms, lane)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
  service TEXT NOT NULL, session_sha TEXT NOT NULL, version TEXT NOT NULL, born_ms REAL NOT NULL,
  PRIMARY KEY (service, session_sha)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feedback (
  service TEXT NOT NULL, request_id TEXT NOT NULL, label TEXT NOT NULL, observed_ms REAL NOT NULL, source TEXT NOT NULL,
  answered_ms REAL NOT NULL, PRIMARY KEY (service, request_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS samples (
  id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, request_id TEXT NOT NULL, at_ms REAL NOT NULL,
  version TEXT NOT NULL, path TEXT NOT NULL, content_type TEXT NOT NULL, body TEXT NOT NULL, predicted TEXT, score REAL,
  label TEXT, session_sha TEXT, answer TEXT, failed INTEGER NOT NULL DEFAULT 0, finish TEXT
);
CREATE INDEX IF NOT EXISTS samples_by_request ON samples (service, request_id);
CREATE TABLE IF NOT EXISTS observations (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, metric TEXT NOT NULL, at_ms REAL NOT NULL,
  value REAL NOT NULL, n INTEGER
);
CREATE INDEX IF NOT EXISTS observations_by_time ON observations (service, metric, at_ms);
CREATE TABLE IF NOT EXISTS observation_batches (
  service TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, accepted INTEGER NOT NULL, late INTEGER NOT NULL,
  taken_ms REAL NOT NULL, PRIMARY KEY (service, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS samples_by_session ON samples (service, session_sha);
`;

export type Statement = Database.Statement;
type Work<T> = () => T;

/**
 * The gateway's one database (`gateway.db`), opened by this process alone: a second one is refused by SQLite's own lock.
 * Ordinary writes survive the death of the process; {@link Storage.durable} ones also that of the machine.
 */
export class Storage {
  private readonly db: InstanceType<typeof Database>;

  constructor(dataDir: string) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const file = join(dataDir, 'gateway.db');
    try {
      this.db = new Database(file);
      this.db.exec('PRAGMA locking_mode=EXCLUSIVE');
      this.db.prepare('PRAGMA journal_mode=WAL').all();
      this.db.exec('PRAGMA synchronous=NORMAL');
      this.db.exec('PRAGMA secure_delete=ON');
      this.db.exec(SCHEMA);
      this.addColumn('samples', 'answer', 'TEXT');
      this.addColumn('samples', 'failed', 'INTEGER NOT NULL DEFAULT 0');
      this.addColumn('samples', 'finish', 'TEXT');
    } catch (error) {
      throw new GatewayStorageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** For a database that an earlier version of the gateway made. */
  private addColumn(table: string, column: string, type: string): void {
    const columns = this.db.prepare(`PRAGMA table_info(${table})`).all() as { name: string }[];
    if (!columns.some(({ name }) => name === column)) this.db.exec(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`);
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
