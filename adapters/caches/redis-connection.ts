import { readFileSync } from 'node:fs';
import type { createClient as CreateClient } from '@redis/client';
import { CacheRefused, CacheUnreachable } from './errors';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly user: string | null;
  /** Read at each connection, so that a changed one needs no restart; null: the server asks for none. */
  readonly password: (() => string) | null;
  readonly tls: { readonly caFile: string | null; readonly serverName: string | null } | null;
}

export type Redis = ReturnType<typeof CreateClient>;

/** What Redis says while it starts, is full or changes its master: the same call may succeed later. */
const PASSING = /^(LOADING|READONLY|MISCONF|OOM|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS)\b/;

/**
 * One connection, opened when it is needed and thrown away at the first fault: a call is answered by the server as it is
 * now, or fails with a named error within the limit, and nothing waits in a queue for a server that may come back.
 */
export class RedisConnection {
  private opening: Promise<Redis> | null = null;
  /** The one that is being opened or open: one that hangs in its greeting must be closed as well. */
  private redis: Redis | null = null;

  constructor(
    private readonly address: RedisAddress,
    private readonly timeoutMs: number,
  ) {}

  /** @throws CacheUnreachable, CacheRefused */
  async call<T>(what: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
    const at = `${what} at ${this.address.host}:${this.address.port}`;
    const opening = (this.opening ??= this.open());
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new CacheUnreachable(`${at}: no answer within ${this.timeoutMs} ms`)),
        this.timeoutMs,
      );
    });
    try {
      return await Promise.race([opening.then(ask), late]);
    } catch (error) {
      const fault = faultOf(error, at);
      // A refused command leaves the connection good; anything else is asked again on a new one.
      if (!(fault instanceof CacheRefused) || this.opening !== opening) this.drop(opening);
      else await opening.catch(() => this.drop(opening));
      throw fault;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): Promise<void> {
    if (this.opening) this.drop(this.opening);
    return Promise.resolve();
  }

  private drop(opening: Promise<Redis>): void {
    opening.catch(() => undefined);
    if (this.opening !== opening) return;
    const { redis } = this;
    [this.opening, this.redis] = [null, null];
    if (redis?.isOpen === true) redis.destroy();
  }

  private async open(): Promise<Redis> {
    const { host, port, database, user, password, tls } = this.address;
    // Loaded where a service has such a cache only.
    const { createClient } = await import('@redis/client');
    const connect = { host, port, connectTimeout: this.timeoutMs, reconnectStrategy: false as const };
    const secured = tls && {
      tls: true as const,
      ...(tls.caFile !== null && { ca: readFileSync(tls.caFile) }),
      ...(tls.serverName !== null && { servername: tls.serverName }),
    };
    const redis = createClient({
      socket: secured ? { ...connect, ...secured } : connect,
      database,
      ...(user !== null && { username: user }),
      ...(password !== null && { password: password() }),
      disableOfflineQueue: true,
    }) as unknown as Redis;
    // A connection that breaks while nobody asks is noticed by the next call.
    redis.on('error', () => undefined);
    this.redis = redis;
    await redis.connect();
    // For people who list the connections; with the client's own option a user without this right could not connect.
    redis.sendCommand(['CLIENT', 'SETNAME', 'lastgood']).catch(() => undefined);
    return redis;
  }
}

function faultOf(error: unknown, at: string): CacheUnreachable | CacheRefused {
  if (error instanceof CacheUnreachable || error instanceof CacheRefused) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  const words = typeof code === 'string' && !message.includes(code) ? `${code} ${message}` : message;
  const said = `${at}: ${words}`.slice(0, 500);
  return isReply(error) && !PASSING.test(message)
    ? new CacheRefused(said, { cause: error })
    : new CacheUnreachable(said, { cause: error });
}

/** An error that the server itself sent: an upper-case word first. */
function isReply(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^[A-Z][A-Z]{2,}\b/.test(error.message) &&
    (error as { code?: unknown }).code === undefined
  );
}
