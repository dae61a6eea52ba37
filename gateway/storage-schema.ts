import type Database from 'libsql';

/** As the first release that counted its versions had it; databases of before get what they lack. */
const FIRST = `
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

type Connection = InstanceType<typeof Database>;

/** Forward only: version n (`PRAGMA user_version`) is the n-th of these, and none is ever edited after a release. */
const migrations: readonly ((db: Connection) => void)[] = [createTables, nameTheRelease];

/** What this release writes. */
export const gatewaySchemaVersion = migrations.length;

/**
 * Brings the tables to the newest version, all or nothing. Throws before anything is changed where a newer lastgood wrote
 * them: its route, floor or pins could be misread.
 */
export function migrateStorage(db: Connection, release: string): void {
  const { user_version: found } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (found > migrations.length) throw new Error(refusal(found, writerOf(db), release));
  if (found === migrations.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const migration of migrations.slice(found)) migration(db);
    db.prepare('INSERT OR REPLACE INTO written_by (id, release) VALUES (1, ?)').run(release);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
    db.exec('COMMIT');
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function refusal(found: number, wrote: string | null, release: string): string {
  const writer = wrote === null ? 'a newer lastgood' : `lastgood ${wrote}`;
  return (
    `found schema version ${found}, written by ${writer}; this is lastgood ${release}, which knows up to ${migrations.length}: ` +
    `use ${wrote === null ? writer : `${writer} or newer`}, or restore a backup that this release made. Nothing was changed`
  );
}

function writerOf(db: Connection): string | null {
  try {
    const row = db.prepare('SELECT release FROM written_by').get() as { release?: string } | undefined;
    return row?.release ?? null;
  } catch {
    return null;
  }
}

function createTables(db: Connection): void {
  db.exec(FIRST);
  addColumn(db, 'samples', 'answer', 'TEXT');
  addColumn(db, 'samples', 'failed', 'INTEGER NOT NULL DEFAULT 0');
  addColumn(db, 'samples', 'finish', 'TEXT');
}

function nameTheRelease(db: Connection): void {
  db.exec('CREATE TABLE written_by (id INTEGER PRIMARY KEY CHECK (id = 1), release TEXT NOT NULL)');
}

/** For a database that was made before the versions were counted. */
function addColumn(db: Connection, table: string, column: string, type: string): void {
  const columns = db.prepare(`PRAGMA table_info(${table})`).all() as { name: string }[];
  if (!columns.some(({ name }) => name === column)) db.exec(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`);
}
