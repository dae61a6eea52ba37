import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, request, type Dispatcher } from 'undici';
import { z } from 'zod';
import { CONTROL_PREFIX } from '../../gateway/protocol';

/** Where the gateway's control interface listens. */
export type ControlAddress =
  | { readonly socket: string }
  | { readonly host: string; readonly port: number; readonly tokenFile: string }
  /** On another host: `https://host:port`, or `http://` on loopback. `caFile`: who signed its certificate. */
  | { readonly url: string; readonly tokenFile: string; readonly caFile?: string };

export interface GatewayControlOptions {
  readonly address: ControlAddress;
  /** For each call but `follow`; default 5 s. */
  readonly timeoutMs?: number;
  /** Longest answer that is read; default 64 MiB. */
  readonly limitBytes?: number;
}

/** Every fault of the clients of the gateway. */
export class GatewayError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No connection, a reset, no whole answer in time, or 503: whether the call had its effect is not known. */
export class GatewayUnreachable extends GatewayError {}

/** The gateway does not know the service. */
export class GatewayServiceUnknown extends GatewayError {}

/** The gateway answered what its protocol does not say, or refused the caller. */
export class GatewayAnswerRefused extends GatewayError {}

export interface ControlAnswer {
  readonly status: number;
  readonly json: unknown;
}

export interface GatewayControl {
  /** One call; resolves for 2xx and 409, rejects with one of the errors above for every other status. */
  call(method: 'GET' | 'PUT' | 'POST', path: string, body?: unknown): Promise<ControlAnswer>;
  /** An answer that stays open. The caller reads it to its end or aborts. */
  open(path: string, signal: AbortSignal): Promise<AsyncIterable<Buffer>>;
  close(): Promise<void>;
}

/** HTTP client of the control interface, over a Unix socket or loopback with a bearer token. */
export function gatewayControl(options: GatewayControlOptions): GatewayControl {
  const { address } = options;
  const timeoutMs = options.timeoutMs ?? 5_000;
  const limitBytes = options.limitBytes ?? 64 * 1024 * 1024;
  const agent: Dispatcher = new Agent({
    connect: { timeout: timeoutMs, ...connection(address) },
    // Streams stay open for ever; their silence is measured by the reader, not here.
    bodyTimeout: 0,
    keepAliveTimeout: 4_000,
    connections: 16,
  });
  // A stream holds its connection for as long as its service is watched: among the others a few services would leave none.
  const streams: Dispatcher = new Agent({
    connect: { timeout: timeoutMs, ...connection(address) },
    bodyTimeout: 0,
    pipelining: 1,
  });
  const origin = originOf(address);
  const place = 'socket' in address ? address.socket : origin;

  async function headers(): Promise<Record<string, string>> {
    if ('socket' in address) return {};
    // Read each time: the gateway writes a new token when its data directory is new.
    const token = await readFile(address.tokenFile, 'utf8').catch((fault: unknown) => {
      throw new GatewayUnreachable(`no token for ${place} in ${address.tokenFile}: ${text(fault)}`, { cause: fault });
    });
    return { authorization: `Bearer ${token.trim()}` };
  }

  async function send(
    method: 'GET' | 'PUT' | 'POST',
    path: string,
    signal: AbortSignal,
    { body, by = agent }: { readonly body?: unknown; readonly by?: Dispatcher } = {},
  ) {
    const sent = await headers();
    const url = `${origin}${CONTROL_PREFIX}${path}`;
    return request(url, {
      method,
      dispatcher: by,
      signal,
      headers: body === undefined ? sent : { ...sent, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async function read(body: AsyncIterable<Buffer>, what: string): Promise<string> {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of body) {
      bytes += part.length;
      if (bytes > limitBytes) throw new GatewayAnswerRefused(`${what}: the answer is longer than ${limitBytes} bytes`);
      parts.push(part);
    }
    return Buffer.concat(parts).toString('utf8');
  }

  function refuse(status: number, what: string, answer: string): void {
    const said = answer.slice(0, 300);
    if (status === 404) throw new GatewayServiceUnknown(`${what}: ${said}`);
    if (status === 401 || status === 403)
      throw new GatewayAnswerRefused(`${what}: ${status}, the token is not accepted`);
    if (status >= 500) throw new GatewayUnreachable(`${what}: ${status} ${said}`);
    // 409 is an answer: the route was refused, and why.
    if (status >= 400 && status !== 409) throw new GatewayAnswerRefused(`${what}: ${status} ${said}`);
  }

  return {
    async call(method, path, body) {
      const what = `${method} ${path} at ${place}`;
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        const answer = await send(method, path, signal, body === undefined ? {} : { body });
        const content = await read(answer.body, what);
        refuse(answer.statusCode, what, content);
        return { status: answer.statusCode, json: parse(content, what) };
      } catch (fault) {
        throw asGatewayError(fault, what, signal.aborted ? `no whole answer within ${timeoutMs} ms` : null);
      }
    },
    async open(path, signal) {
      const what = `GET ${path} at ${place}`;
      try {
        const answer = await send('GET', path, signal, { by: streams });
        if (answer.statusCode !== 200) {
          const content = await read(answer.body, what);
          refuse(answer.statusCode, what, content);
          throw new GatewayAnswerRefused(`${what}: ${answer.statusCode} ${content.slice(0, 300)}`);
        }
        return answer.body as AsyncIterable<Buffer>;
      } catch (fault) {
        throw asGatewayError(fault, what, null);
      }
    },
    close: async () => {
      await Promise.all([agent.close(), streams.destroy()]);
    },
  };
}

function originOf(address: ControlAddress): string {
  if ('socket' in address) return 'http://gateway';
  return 'url' in address ? new URL(address.url).origin : `http://${address.host}:${address.port}`;
}

function connection(address: ControlAddress): { socketPath?: string; ca?: Buffer } {
  if ('socket' in address) return { socketPath: address.socket };
  if (!('url' in address) || address.caFile === undefined) return {};
  try {
    return { ca: readFileSync(address.caFile) };
  } catch (fault) {
    throw new GatewayUnreachable(`the certificate of ${address.url} cannot be checked: ${text(fault)}`, {
      cause: fault,
    });
  }
}

/** Parses an answer by the schema of the protocol; what does not fit names its place. */
export function parseAnswer<T>(schema: z.ZodType<T>, json: unknown, what: string): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new GatewayAnswerRefused(`${what}: ${z.prettifyError(parsed.error)}`);
}

export function asGatewayError(fault: unknown, what: string, why: string | null): GatewayError {
  if (fault instanceof GatewayError) return fault;
  return new GatewayUnreachable(`${what}: ${why ?? text(fault)}`, { cause: fault });
}

function parse(content: string, what: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new GatewayAnswerRefused(`${what}: expected JSON, found ${JSON.stringify(content.slice(0, 80))}`);
  }
}

function text(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault);
  const { code } = fault as { code?: unknown };
  return typeof code === 'string' && !fault.message.includes(code) ? `${code} ${fault.message}` : fault.message;
}
