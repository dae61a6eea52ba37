import { readFileSync } from 'node:fs';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { ChainedLedger, guarded, type AnchorOptions, type DatabaseLedger } from './chained-ledger';
import { LivePool } from './postgres-pool';
import { migrate, type LedgerTables } from './schema';

export interface PostgresLedgerOptions extends AnchorOptions {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Read at each connection, so that a changed password needs no restart. */
  readonly password?: () => string;
  /** The server is always verified; null speaks without TLS. */
  readonly tls: { readonly caFile?: string; readonly serverName?: string } | null;
  /** Its tables stand there; created where the role may. */
  readonly schema: string;
}

/** To get a connection, a free one of those below included. A decision does not wait that long: it is written later. */
const CONNECT_MS = 5_000;
const STATEMENT_MS = 3_000;
/** The server ends a statement by itself; one that says nothing for so much longer is not there. */
const SILENCE_MS = 1_000;
const CONNECTIONS = 4;
/** 8-byte integers are numbers here: none of ours comes near 2^53. */
const INT8 = 20;

/**
 * The ledger in PostgreSQL (12 or newer); several controllers may have it open. Rejects with `LedgerSchemaUnknown`, or
 * `LedgerUnavailable` with the server's own words.
 */
export async function openPostgresLedger(options: PostgresLedgerOptions): Promise<DatabaseLedger> {
  const { host, port, database, schema } = options;
  const db = connect(options);
  try {
    await guarded('be opened', async () => {
      await createSchema(db, schema);
      const where = `postgres://${host}:${port}/${database} (schema ${schema})`;
      await migrate(db, where, 'postgres', options.release ?? 'unknown');
    });
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return new ChainedLedger(
    {
      db,
      alone: (service, work) =>
        db.transaction().execute(async (tx) => {
          // Held until the transaction ends, whichever way; other chains are not held up.
          await sql`select pg_advisory_xact_lock(hashtextextended(${`lastgood ${schema} ${service}`}, 0))`.execute(tx);
          return await work(tx);
        }),
      close: () => db.destroy(),
    },
    options,
  );
}

/** What the server is, and whether the tables are there; changes nothing. Rejects with `LedgerUnavailable`. */
export async function askPostgresLedger(
  options: PostgresLedgerOptions,
): Promise<{ readonly server: string; readonly tables: boolean }> {
  const db = connect(options);
  try {
    return await guarded('be asked', async () => {
      const { rows } = await sql<{ server: string; found: string | null }>`
        select current_setting('server_version') as server, to_regclass('ledger_schema') as found`.execute(db);
      return { server: rows[0]?.server ?? 'unknown', tables: (rows[0]?.found ?? null) !== null };
    });
  } finally {
    await db.destroy();
  }
}

function connect(options: PostgresLedgerOptions): Kysely<LedgerTables> {
  const { schema } = options;
  const pool = new pg.Pool({
    ...sessionOptions(options),
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: STATEMENT_MS + SILENCE_MS,
    application_name: 'lastgood',
    // An entry that was acknowledged survives a power cut of the server, whatever its default is.
    options: `-c search_path="${schema}" -c synchronous_commit=on`,
    types: { getTypeParser: (id, format) => (id === INT8 ? Number : (pg.types.getTypeParser(id, format) as never)) },
  });
  return new Kysely<LedgerTables>({ dialect: new PostgresDialect({ pool: new LivePool(pool) }) });
}

/** Where the server is, and who asks. */
export function sessionOptions(
  options: PostgresLedgerOptions,
): Pick<pg.PoolConfig, 'host' | 'port' | 'database' | 'user' | 'password' | 'ssl' | 'keepAlive'> {
  const { host, port, database, user, password } = options;
  return { host, port, database, user, ...(password && { password }), ssl: tlsOf(options.tls), keepAlive: true };
}

async function createSchema(db: Kysely<LedgerTables>, schema: string): Promise<void> {
  const { rows } = await sql`select 1 from pg_namespace where nspname = ${schema}`.execute(db);
  if (rows.length === 0) await db.schema.createSchema(schema).ifNotExists().execute();
}

function tlsOf(tls: PostgresLedgerOptions['tls']): pg.PoolConfig['ssl'] {
  if (tls === null) return false;
  const { caFile, serverName } = tls;
  return {
    rejectUnauthorized: true,
    ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }),
    // pg asks for the host's name whatever is said here, where the host is one; the certificate is compared with this name.
    ...(serverName !== undefined && {
      servername: serverName,
      checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
        checkServerIdentity(serverName, certificate),
    }),
  };
}
