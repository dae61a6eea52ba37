import { Agent, request, type Dispatcher } from 'undici';
import { RegistryAnswerRefused, RegistryMissing, RegistryUnreachable, type RegistryError } from '../registry/errors';

export interface MlflowServer {
  /** Base address; a path in it (a reverse proxy's) is kept. */
  readonly url: string;
  /** Asked for at each call, so that a secret which changed is taken up; null: none is sent. */
  readonly authorization: () => Promise<string | null>;
  /** Certificates (PEM) that are trusted instead of those that Node brings. */
  readonly ca: string | null;
  /** For one whole answer of the API, and between two pieces of a file; default 10 s. */
  readonly timeoutMs?: number;
}

/** A call's query or body, by its field. */
type Fields = Readonly<Record<string, string | number>>;

const LIMIT_BYTES = 8 * 1024 * 1024;
const LIMIT_WORDS = 300;
const CONNECTIONS = 8;

export interface MlflowHttp {
  /** The parsed JSON of an answer 200. */
  get(path: string, query: Fields, signal: AbortSignal): Promise<unknown>;
  post(path: string, body: Fields, signal: AbortSignal): Promise<unknown>;
  /** A whole small file; null where there is none. */
  bytes(path: string, limitBytes: number, signal: AbortSignal): Promise<Buffer | null>;
  /** The answer 200 or 206 to a file, its body not yet read. */
  open(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Dispatcher.ResponseData>;
  close(): Promise<void>;
}

/**
 * MLflow's HTTP interface. Follows no redirect: nothing that a peer says becomes an address. Rejects with a
 * `RegistryError` that has MLflow's own words.
 */
export function mlflowHttp(server: MlflowServer): MlflowHttp {
  const base = server.url.replace(/\/+$/, '');
  const timeoutMs = server.timeoutMs ?? 10_000;
  const agent = new Agent({
    connections: CONNECTIONS,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: timeoutMs, ...(server.ca === null ? {} : { ca: server.ca }) },
  });

  async function call(
    method: 'GET' | 'POST',
    path: string,
    options: { readonly headers?: Record<string, string>; readonly body?: string; readonly signal: AbortSignal },
  ): Promise<Dispatcher.ResponseData> {
    const authorization = await server.authorization();
    try {
      return await request(`${base}${path}`, {
        method,
        dispatcher: agent,
        signal: options.signal,
        headers: { ...(authorization === null ? {} : { authorization }), ...options.headers },
        ...(options.body === undefined ? {} : { body: options.body }),
      });
    } catch (fault) {
      throw unreachable(fault, options.signal);
    }
  }

  function unreachable(fault: unknown, signal: AbortSignal): RegistryUnreachable {
    return new RegistryUnreachable(`MLflow at ${base}: ${whyFailed(fault, signal, timeoutMs)}`, { cause: fault });
  }

  async function textOf(answer: Dispatcher.ResponseData, limitBytes: number, signal: AbortSignal): Promise<Buffer> {
    const parts: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const part of answer.body as AsyncIterable<Buffer>) {
        bytes += part.length;
        if (bytes > limitBytes)
          throw new RegistryAnswerRefused(`MLflow at ${base}: the answer is longer than ${limitBytes} bytes`);
        parts.push(part);
      }
    } catch (fault) {
      throw fault instanceof RegistryAnswerRefused ? fault : unreachable(fault, signal);
    }
    return Buffer.concat(parts);
  }

  async function refusal(answer: Dispatcher.ResponseData, signal: AbortSignal): Promise<RegistryError> {
    const text = (await textOf(answer, LIMIT_BYTES, signal)).toString('utf8');
    return refusalOf(`MLflow at ${base}`, answer.statusCode, text, answer.headers);
  }

  async function json(method: 'GET' | 'POST', path: string, signal: AbortSignal, body?: string): Promise<unknown> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await call(method, path, { headers, signal: limited, ...(body === undefined ? {} : { body }) });
    if (answer.statusCode !== 200) throw await refusal(answer, limited);
    const text = (await textOf(answer, LIMIT_BYTES, limited)).toString('utf8');
    try {
      return JSON.parse(text);
    } catch (cause) {
      const found = JSON.stringify(text.slice(0, 80));
      throw new RegistryAnswerRefused(`MLflow at ${base}: ${path}: found ${found}, expected JSON`, { cause });
    }
  }

  return {
    get: (path, query, signal) => json('GET', `${path}?${queryText(query)}`, signal),
    post: (path, body, signal) => json('POST', path, signal, JSON.stringify(body)),
    async bytes(path, limitBytes, signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const answer = await call('GET', path, { signal: limited });
      if (answer.statusCode === 200) return await textOf(answer, limitBytes, limited);
      const fault = await refusal(answer, limited);
      if (fault instanceof RegistryMissing) return null;
      throw fault;
    },
    async open(path, headers, signal) {
      const answer = await call('GET', path, { headers, signal });
      if (answer.statusCode === 200 || answer.statusCode === 206) return answer;
      throw await refusal(answer, signal);
    },
    close: () => agent.destroy(),
  };
}

function queryText(query: Fields): string {
  const text = Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]);
  return new URLSearchParams(text).toString();
}

export function whyFailed(fault: unknown, signal: AbortSignal, timeoutMs: number): string {
  if (signal.aborted) {
    const isTimeout = (signal.reason as { name?: unknown } | undefined)?.name === 'TimeoutError';
    return isTimeout ? `no whole answer within ${timeoutMs} ms` : 'ended before the answer was there';
  }
  const { code, message } = fault as { code?: unknown; message?: unknown };
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return `silent for ${timeoutMs} ms`;
  const words = typeof message === 'string' ? message : String(fault);
  return typeof code === 'string' && !words.includes(code) ? `${code} ${words}`.trim() : words;
}

/** What an answer that is not 200 means. Not all of them are JSON, and an unknown alias is a 400. */
export function refusalOf(
  where: string,
  status: number,
  text: string,
  headers: Dispatcher.ResponseData['headers'],
): RegistryError {
  const said = errorOf(text);
  if (said !== null) {
    const words = `${where}: ${said.message.slice(0, LIMIT_WORDS)} (${said.code}, ${status})`;
    const isUnknownAlias = status === 400 && /\balias\b.*\bnot found\b/i.test(said.message);
    if (said.code === 'RESOURCE_DOES_NOT_EXIST' || isUnknownAlias) return new RegistryMissing(words);
    return status >= 500 ? new RegistryUnreachable(words) : new RegistryAnswerRefused(words);
  }
  const location = headers['location'];
  if (status >= 300 && status < 400)
    return new RegistryAnswerRefused(
      `${where}: answered ${status} and points to ${JSON.stringify(location ?? '')}, which is not followed; set registry.url to the address of MLflow itself`,
    );
  if (status === 401)
    return new RegistryAnswerRefused(
      `${where}: answered 401: it wants a name and a password (or a token), or those that it got are wrong; set registry.auth`,
    );
  if (status === 403 && /invalid host header/i.test(text))
    return new RegistryAnswerRefused(
      `${where}: answered 403 "${text.trim().slice(0, LIMIT_WORDS)}": start MLflow with --allowed-hosts and the name by which it is called here`,
    );
  if (status === 404 && /^\s*<(!doctype|html)/i.test(text))
    return new RegistryAnswerRefused(
      `${where}: answered 404 with a page instead of JSON: there is no such route, so it is no MLflow 3, or a path is missing in registry.url`,
    );
  const words = `${where}: answered ${status} ${JSON.stringify(text.trim().slice(0, 80))}, expected JSON`;
  return status >= 500 || status === 429 ? new RegistryUnreachable(words) : new RegistryAnswerRefused(words);
}

function errorOf(text: string): { code: string; message: string } | null {
  try {
    const { error_code: code, message } = JSON.parse(text) as { error_code?: unknown; message?: unknown };
    return typeof code === 'string' ? { code, message: typeof message === 'string' ? message : code } : null;
  } catch {
    return null;
  }
}
