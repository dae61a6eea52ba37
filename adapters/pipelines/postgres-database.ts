import { readFileSync } from 'node:fs';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import pg from 'pg';
import { PipelineRefused, PipelineUnreachable } from './errors';
import type { PostgresPipelineOptions } from './postgres-options';

export type Row = Record<string, unknown>;
export type Ask = (text: string, values?: readonly unknown[]) => Promise<Row[]>;

const CONNECT_MS = 5_000;
const STATEMENT_MS = 30_000;
const SILENCE_MS = 2_000;
const CONNECTIONS = 3;

/**
 * SQLSTATE classes that say that something must be changed before it can work: syntax and names (42), rights and passwords
 * (28), a wrong value for a column (22, 23), a missing database or schema (3D, 3F), a feature (0A).
 */
const REFUSED = /^(0A|22|23|28|3D|3F|42)/;

/** `"schema"."table"`, safe whatever it is called. */
export function quoted(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');
}

/** One pool of a pipeline; every error is a named one of pipelines. */
export class PipelineDatabase {
  private readonly pool: pg.Pool;

  constructor(private readonly options: PostgresPipelineOptions) {
    const { host, port, database, user, password, tls } = options;
    this.pool = new pg.Pool({
      host,
      port,
      database,
      user,
      ...(password && { password }),
      ssl: tlsOf(tls),
      max: CONNECTIONS,
      connectionTimeoutMillis: CONNECT_MS,
      statement_timeout: STATEMENT_MS,
      query_timeout: STATEMENT_MS + SILENCE_MS,
      // A worker that was stopped in the middle must not keep the rows of others locked.
      idle_in_transaction_session_timeout: STATEMENT_MS,
      keepAlive: true,
      application_name: 'lastgood items',
      // A mark that was acknowledged survives a power cut; cursors carry times as text.
      options: '-c synchronous_commit=on -c TimeZone=UTC -c DateStyle=ISO',
    });
    // A connection that breaks while it is idle is replaced at the next use.
    this.pool.on('error', () => undefined);
    this.pool.on('connect', (client) => client.on('error', () => undefined));
  }

  async ask(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return await this.guarded(async () => (await this.pool.query<Row>(text, [...values])).rows);
  }

  /** All of it or nothing. */
  async transaction<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
    return await this.guarded(async () => {
      const client = await this.pool.connect();
      let broken: Error | undefined;
      try {
        await client.query('begin');
        const result = await work(async (text, values = []) => (await client.query<Row>(text, [...values])).rows);
        await client.query('commit');
        return result;
      } catch (error) {
        // A connection of which it is not known how far it came is not used again.
        if (!(error instanceof pg.DatabaseError)) broken = error as Error;
        else await client.query('rollback').catch((fault: unknown) => (broken = fault as Error));
        throw error;
      } finally {
        client.release(broken);
      }
    });
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof PipelineRefused) throw error;
      const { host, port, database } = this.options;
      const place = `postgres://${host}:${port}/${database}`;
      const { code, message } = error as { code?: string; message: string };
      if (error instanceof pg.DatabaseError && code !== undefined && REFUSED.test(code))
        throw new PipelineRefused(`${place}: ${message} (${code})`, { cause: error });
      throw new PipelineUnreachable(`${place}: ${message}`, { cause: error });
    }
  }
}

function tlsOf(tls: PostgresPipelineOptions['tls']): pg.PoolConfig['ssl'] {
  if (tls === null) return false;
  const { caFile, serverName } = tls;
  return {
    rejectUnauthorized: true,
    ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }),
    ...(serverName !== undefined && {
      servername: serverName,
      checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
        checkServerIdentity(serverName, certificate),
    }),
  };
}
