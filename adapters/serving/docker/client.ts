import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import type Docker from 'dockerode';
import { DockerDiskFull, DockerFault, DockerRefused, DockerUnreachable, ServingError } from '../errors';

/** Where the engine listens: a Unix socket (rootful or rootless), or TCP with TLS both ways; never TCP without it. */
export type DockerConnection =
  | { readonly socket: string }
  | {
      readonly host: string;
      readonly port: number;
      readonly tls: { readonly caFile: string; readonly certFile: string; readonly keyFile: string };
    };

/** The API of Docker Engine 20.10, the oldest that is supported; newer engines speak it too. */
const API_VERSION = 'v1.41';
const CALL_LIMIT_MS = 15_000;
const AGAIN_MS = 200;

export interface CallOptions {
  /** From the call to the whole answer (for streams: to its begin); default 15 s. */
  readonly limitMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Every call to one Docker engine goes through here: with a time limit, and with errors that say who was asked for what and
 * what it answered. Rejects with {@link DockerUnreachable}, {@link DockerRefused} (4xx), {@link DockerDiskFull},
 * {@link DockerFault} (5xx), or the reason of the signal.
 */
export class DockerClient {
  /** The engine, in words. */
  readonly name: string;
  private made: Promise<Docker> | null = null;

  constructor(private readonly connection: DockerConnection) {
    this.name =
      'socket' in connection
        ? `the Docker engine at ${connection.socket}`
        : `the Docker engine at tcp://${connection.host}:${connection.port}`;
  }

  /** True where files of this machine are files of the engine's machine too. */
  get local(): boolean {
    return 'socket' in this.connection;
  }

  async call<T>(
    what: string,
    ask: (docker: Docker, abortSignal: AbortSignal) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    options.signal?.throwIfAborted();
    const limitMs = options.limitMs ?? CALL_LIMIT_MS;
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), limitMs);
    const signal = opaque(
      options.signal === undefined ? limit.signal : AbortSignal.any([limit.signal, options.signal]),
    );
    // Not every call of the library takes the signal.
    const over = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    try {
      return await Promise.race([this.docker().then((docker) => ask(docker, signal)), over]);
    } catch (fault) {
      options.signal?.throwIfAborted();
      if (fault instanceof ServingError) throw fault;
      if (limit.signal.aborted)
        throw new DockerUnreachable(`${this.name} did not answer within ${limitMs} ms: ${what}`, { cause: fault });
      const error = this.explained(what, fault);
      // Certificates may be renewed while we run: they are read again for the next call.
      if (error instanceof DockerUnreachable) this.made = null;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Does again what an engine that is away (a restart of dockerd) did not answer, for at most `waitMs`. Only for work that
   * may be done twice.
   */
  async patiently<T>(waitMs: number, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      try {
        return await work();
      } catch (fault) {
        if (!(fault instanceof DockerUnreachable) || performance.now() > deadline) throw fault;
        await pause(AGAIN_MS, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
      }
    }
  }

  private docker(): Promise<Docker> {
    this.made ??= this.make();
    return this.made;
  }

  private async make(): Promise<Docker> {
    // Two hundred milliseconds that only who uses Docker pays.
    const { default: Engine } = await import('dockerode');
    const { connection } = this;
    // Each key is given, also those that are not used: what is left out is taken from DOCKER_HOST and its like.
    const unused = { ca: undefined, cert: undefined, key: undefined, timeout: undefined, pathPrefix: '/' };
    if ('socket' in connection) {
      const agent = opaque(new HttpAgent({ keepAlive: false }));
      const options = { ...unused, host: undefined, port: undefined, protocol: 'http', agent };
      return new Engine({ ...options, socketPath: connection.socket, version: API_VERSION } as Docker.DockerOptions);
    }
    const { host, port, tls } = connection;
    const [ca, cert, key] = [tls.caFile, tls.certFile, tls.keyFile].map((file) => readFileSync(file));
    const agent = opaque(new HttpsAgent({ keepAlive: false }));
    const options = { ...unused, socketPath: undefined, host, port, protocol: 'https', ca, cert, key, agent };
    return new Engine({ ...options, version: API_VERSION } as Docker.DockerOptions);
  }

  private explained(what: string, fault: unknown): Error {
    const error = fault as { statusCode?: number; json?: unknown; code?: string; message?: string };
    if (typeof error.statusCode === 'number') {
      const words = ownWords(error.json) ?? error.message ?? String(fault);
      const text = `${this.name}: ${what}: ${words.trim()} (HTTP ${error.statusCode})`;
      if (isDiskFull(words)) return new DockerDiskFull(diskFullText(this.name, what, words), { cause: fault });
      if (error.statusCode < 500) return new DockerRefused(text, error.statusCode, { cause: fault });
      return new DockerFault(text, { cause: fault });
    }
    const why = `${error.code === undefined ? '' : `${error.code} `}${error.message ?? String(fault)}`.slice(0, 300);
    return new DockerUnreachable(`${this.name} cannot be asked: ${what}: ${why}${remedy(error.code)}`, {
      cause: fault,
    });
  }
}

/**
 * The library turns the options of every request into text, hidden properties and all, for a debug line that nobody reads. The
 * sockets of an agent lead to the asynchronous context and so, in an activity, to the whole worker: minutes and gigabytes.
 */
export function opaque<T extends object>(thing: T): T {
  return Object.defineProperty(thing, inspect.custom, { value: () => thing.constructor.name, configurable: true });
}

export function diskFullText(engine: string, what: string, words: string): string {
  return (
    `${engine} has no room left: ${what}: ${words.trim().slice(0, 300)}; nothing was left half made. ` +
    'Make room under its data root (`docker system df` shows what it holds, `docker image prune` removes unused images)'
  );
}

export function isDiskFull(words: string): boolean {
  return /no space left on device|disk quota exceeded/i.test(words);
}

export function isStatus(fault: unknown, status: number): boolean {
  return fault instanceof DockerRefused && fault.status === status;
}

function ownWords(json: unknown): string | null {
  if (typeof json !== 'object' || json === null) return null;
  const { message } = json as { message?: unknown };
  return typeof message === 'string' ? message.slice(0, 600) : null;
}

function remedy(code: string | undefined): string {
  switch (code) {
    case 'ENOENT':
      return '; is it installed and started, and is serving.docker.socket right?';
    case 'ECONNREFUSED':
      return '; is dockerd running?';
    case 'EACCES':
      return '; this user may not open the socket: run the host worker in the group that owns it';
    default:
      return '';
  }
}
