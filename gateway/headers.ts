import type { IncomingHttpHeaders } from 'node:http';

export type Headers = Record<string, string | string[] | undefined>;

/** Headers of one hop (RFC 9110, 7.6.1), those that undici sets itself, and ours, which no client may set. */
const NOT_FORWARDED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'expect',
  'x-request-id',
  'x-lastgood-mirror',
  'x-lastgood-probe',
  'x-lastgood-version',
  'x-lastgood-reason',
  'x-lastgood-cache',
]);

/** What a backend gets: the client's headers without those of the hop, and the request's id. Flat list of pairs. */
export function requestHeaders(headers: IncomingHttpHeaders, requestId: string): string[] {
  const result: string[] = [];
  const nominated = nominatedByConnection(headers.connection);
  for (const name in headers) {
    if (NOT_FORWARDED.has(name) || nominated?.has(name)) continue;
    const value = headers[name];
    if (typeof value === 'string') result.push(name, value);
    else if (value !== undefined) for (const each of value) result.push(name, each);
  }
  result.push('x-request-id', requestId);
  return result;
}

/** What the client gets: the backend's headers without those of the hop, with the request's id and the version. */
export function answerHeaders(headers: Headers, id: string, version: string): string[] {
  const result: string[] = ['x-request-id', id, 'x-lastgood-version', version];
  for (const name in headers) {
    switch (name) {
      case 'connection':
      case 'keep-alive':
      case 'transfer-encoding':
      case 'proxy-connection':
      case 'upgrade':
      case 'x-request-id':
      case 'x-lastgood-version':
      case 'x-lastgood-reason':
      case 'x-lastgood-cache':
        continue;
      default: {
        const value = headers[name];
        if (typeof value === 'string') result.push(name, value);
        else if (value !== undefined) for (const each of value) result.push(name, each);
      }
    }
  }
  return result;
}

/** Further headers that `Connection:` declares to be of this hop. */
function nominatedByConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined;
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()));
}
