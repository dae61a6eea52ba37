import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request that the control interface refuses; becomes its answer. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Reads a JSON body of at most `limitBytes`. Throws {@link ControlError} 413 or 400. */
export async function readJson(req: IncomingMessage, limitBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limitBytes) throw new ControlError(413, `the body is longer than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch (error) {
    throw new ControlError(400, `the body is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function sendJson(res: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  res.end(text);
}

/** The latest moment that a `Date` can hold; nothing that is counted is as much. */
const MOST = 8.64e15;

/** A number from the query. Throws {@link ControlError} 400 that names the parameter and what was found. */
export function numberParam(query: URLSearchParams, name: string, fallback?: number): number {
  const text = query.get(name);
  if (text === null && fallback !== undefined) return fallback;
  const value = Number(text);
  if (text === null || text === '' || !(value >= 0 && value <= MOST)) {
    throw new ControlError(400, `${name}: found ${JSON.stringify(text)}, expected a number from 0 to ${MOST}`);
  }
  return value;
}

/** As {@link numberParam}, for what is counted: half a row is none. */
export function countParam(query: URLSearchParams, name: string, fallback?: number): number {
  return Math.floor(numberParam(query, name, fallback));
}
