import { readFileSync } from 'node:fs';
import { Agent, request, type Dispatcher } from 'undici';
import { EngineAnswerRefused, EngineUnreachable } from './errors';

export interface HttpCall {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** From call to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly limitBytes?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly ms: number;
}

export const LIMIT_ANSWER_BYTES = 4 * 1024 * 1024;

// No keep-alive reuse across a swap: a pooled connection to a copy that has gone costs the next caller a reset.
const POOLED = { keepAliveTimeout: 1_000, connections: 32, pipelining: 1 };
const agent: Dispatcher = new Agent(POOLED);

/** How a server at an `https://` address proves itself. */
export interface ServerProof {
  /** The authority, PEM; without it those that Node knows. */
  readonly caFile: string | null;
  /** The name in its certificate, where it is not that of the address. */
  readonly serverName: string | null;
}

/** By origin: whoever asks an address asks it in the one way that its server can prove itself by. */
const provenBy = new Map<string, Dispatcher>();

/** From now on every call to the address expects this proof. Throws where the file cannot be read. */
export function expectProof(address: string, { caFile, serverName }: ServerProof): void {
  const connect = {
    rejectUnauthorized: true,
    ...(caFile === null ? {} : { ca: readFileSync(caFile) }),
    ...(serverName === null ? {} : { servername: serverName }),
  };
  provenBy.set(new URL(address).origin, new Agent({ ...POOLED, connect }));
}

function dispatcherOf(url: string): Dispatcher {
  return provenBy.size === 0 ? agent : (provenBy.get(new URL(url).origin) ?? agent);
}

/** One call with a limit on time and size. Rejects with {@link EngineUnreachable} or {@link EngineAnswerRefused}. */
export async function httpCall(call: HttpCall): Promise<HttpAnswer> {
  const limitBytes = call.limitBytes ?? LIMIT_ANSWER_BYTES;
  const began = performance.now();
  const signal = AbortSignal.timeout(call.timeoutMs);
  try {
    const answer = await request(call.url, {
      method: call.method,
      dispatcher: dispatcherOf(call.url),
      signal,
      headers: { ...(call.body === undefined ? {} : { 'content-type': 'application/json' }), ...call.headers },
      ...(call.body === undefined ? {} : { body: call.body }),
    });
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of answer.body as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > limitBytes)
        throw new EngineAnswerRefused(`${call.url}: the answer is longer than ${limitBytes} bytes`);
      parts.push(part);
    }
    return {
      status: answer.statusCode,
      headers: flat(answer.headers),
      text: Buffer.concat(parts).toString('utf8'),
      ms: performance.now() - began,
    };
  } catch (fault) {
    if (fault instanceof EngineAnswerRefused) throw fault;
    const why = signal.aborted ? `no whole answer within ${call.timeoutMs} ms` : reason(fault);
    throw new EngineUnreachable(`${call.method} ${call.url}: ${why}`, { cause: fault });
  }
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter((pair): pair is [string, string | string[]] => pair[1] !== undefined)
      .map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

function reason(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault);
  const { code } = fault as { code?: unknown };
  return typeof code === 'string' ? `${code} ${fault.message}`.trim() : fault.message;
}

/** Parsed JSON of an answer; a body that is no JSON is the answer's fault. */
export function answerJson(url: string, answer: HttpAnswer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    const found = JSON.stringify(answer.text.slice(0, 80));
    throw new EngineAnswerRefused(`${url}: expected JSON, found ${found} (status ${answer.status})`);
  }
}

/** A model's name in a path. One of several versions at an address is asked for as `m/versions/3`; see `engineOn`. */
export function modelPath(model: string): string {
  return model.split('/').map(encodeURIComponent).join('/');
}
