import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import pg from 'pg';

/**
 * The pool for kysely's dialect, without connections that a network dropped in silence. pg fails a query that is not answered
 * in time and goes on with its client, and kysely gives that client back as a good one: after a partition or a failover each
 * dead connection would be handed out again and again. Here whatever is no word of the server ends the connection that it
 * happened on, and those that did not answer since that query began are not used again either: they went the same way.
 */
export class LivePool implements PostgresPool {
  /** When each connection last said something, milliseconds of the monotonic clock. */
  private readonly heard = new WeakMap<pg.PoolClient, number>();
  private silentSince = -Infinity;

  constructor(private readonly pool: pg.Pool) {
    // A connection that breaks (a restart of the server) is replaced at the next use; one that is in use fails its query.
    // Without a listener of its own it would end this process.
    pool.on('error', () => undefined);
    pool.on('connect', (client) => {
      client.on('error', () => undefined);
      this.heard.set(client, performance.now());
    });
  }

  async connect(): Promise<PostgresPoolClient> {
    for (;;) {
      const client = await this.pool.connect();
      if ((this.heard.get(client) ?? 0) >= this.silentSince) return this.watched(client);
      client.release(true);
    }
  }

  end(): Promise<void> {
    return this.pool.end();
  }

  private watched(client: pg.PoolClient): PostgresPoolClient {
    let broken: Error | null = null;
    const query = async <R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> => {
      // A rollback on it would wait for its own end in time.
      if (broken !== null) throw broken;
      const begunMs = performance.now();
      try {
        const answer = await client.query(text, [...parameters]);
        this.heard.set(client, performance.now());
        return answer as unknown as PostgresQueryResult<R>;
      } catch (fault) {
        if (fault instanceof pg.DatabaseError) {
          this.heard.set(client, performance.now());
        } else {
          broken = fault instanceof Error ? fault : new Error(String(fault));
          this.silentSince = Math.max(this.silentSince, begunMs);
        }
        throw fault;
      }
    };
    // Cursors are not used: kysely asks by text alone.
    return { query: query as PostgresPoolClient['query'], release: () => client.release(broken ?? undefined) };
  }
}
