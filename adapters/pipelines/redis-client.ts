import { readFileSync } from 'node:fs';
import type { RedisClientType } from '@redis/client';
import { PipelineRefused, PipelineUnreachable } from './errors';

export interface RedisAddress {
  /** `redis://host:port[/database]`, `rediss://…` with TLS; without a password. */
  readonly url: string;
  readonly user: string | null;
  readonly passwordFile: string | null;
}

export type Reply = null | string | number | readonly Reply[];

const CONNECT_MS = 5_000;
const COMMAND_MS = 10_000;

/**
 * One connection, made at the first command and again after a fault. A command whose answer did not come may have been
 * carried out: callers ask only what may be asked twice.
 */
export class PipelineRedis {
  private connected: Promise<RedisClientType> | null = null;

  constructor(private readonly address: RedisAddress) {}

  async ask(command: readonly string[]): Promise<Reply> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${COMMAND_MS} ms`)), COMMAND_MS);
    });
    try {
      const client = await (this.connected ??= this.connect());
      return (await Promise.race([client.sendCommand([...command]), late])) as unknown as Reply;
    } catch (error) {
      if (isRefusal(error)) throw new PipelineRefused(`${this.address.url}: ${error.message}`, { cause: error });
      this.drop();
      throw new PipelineUnreachable(`${this.address.url}: ${(error as Error).message}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  close(): Promise<void> {
    this.drop();
    return Promise.resolve();
  }

  private async connect(): Promise<RedisClientType> {
    const { url, user, passwordFile } = this.address;
    const password = passwordFile === null ? null : readFileSync(passwordFile, 'utf8').trim();
    // Loaded where a service has such a pipeline only.
    const { createClient } = await import('@redis/client');
    const client = createClient({
      url,
      ...(user !== null && { username: user }),
      ...(password !== null && { password }),
      RESP: 2,
      // Whoever asks decides whether to ask again.
      disableOfflineQueue: true,
      socket: { connectTimeout: CONNECT_MS, reconnectStrategy: false },
    }) as unknown as RedisClientType;
    client.on('error', () => this.drop(client));
    await client.connect();
    return client;
  }

  private drop(only?: RedisClientType): void {
    const { connected } = this;
    this.connected = only === undefined ? null : this.connected;
    void connected
      ?.then(
        (client) => {
          if (only === undefined || client === only) {
            if (this.connected === connected) this.connected = null;
            client.destroy();
          }
        },
        () => {
          if (this.connected === connected) this.connected = null;
        },
      )
      .catch(() => undefined);
  }
}

/** An error that the server itself sent, an upper-case word first, and not one that passes. */
function isRefusal(error: unknown): error is Error {
  return (
    error instanceof Error &&
    (error as { code?: unknown }).code === undefined &&
    /^[A-Z][A-Z]{2,}\b/.test(error.message) &&
    !/^(LOADING|READONLY|MISCONF|OOM|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS)\b/.test(error.message)
  );
}
