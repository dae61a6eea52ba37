import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { ApiError } from './problem';

/**
 * Refuses what a page of another site makes a browser send. A browser adds a client certificate by itself, and reaches what
 * listens on loopback or stands behind a proxy to the socket; it adds no token, so whoever sends one is not such a page.
 * @throws ApiError 403
 */
export function refuseForeignPages({ headers, method }: FastifyRequest, { tls }: { readonly tls: boolean }): void {
  if (headers.authorization !== undefined) return;
  const { host = '', origin } = headers;
  const own = host.toLowerCase();
  if (origin !== undefined && hostOf(origin) !== own)
    throw foreign(`a page of ${origin.slice(0, 100)} asked, and only pages of ${own || 'this site'} may`);
  const site = headers['sec-fetch-site'];
  if (method !== 'GET' && method !== 'HEAD' && (site === 'cross-site' || site === 'same-site'))
    throw foreign(`a page of another site asked (sec-fetch-site: ${site})`);
  // DNS rebinding: a name of somebody else that leads here makes their page one of "this site". A certificate is for its
  // names only, so with TLS the browser has looked already.
  if (!tls && isForeignName(own))
    throw foreign(
      `host: found "${own.slice(0, 100)}", expected localhost or an address; send a token, or let your proxy send \`host: localhost\``,
    );
}

/** A name that somebody could have in the public DNS. */
function isForeignName(host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/\.$/, '');
  const isAddress = isIP(name) !== 0 || (/^\[.*\]$/.test(name) && isIP(name.slice(1, -1)) !== 0);
  return name.includes('.') && !isAddress && !name.endsWith('.localhost');
}

/** Null for what is no address of a page (`null`, of a page that has none). */
function hostOf(origin: string): string | null {
  try {
    return new URL(origin).host;
  } catch {
    return null;
  }
}

function foreign(why: string): ApiError {
  return new ApiError(403, 'Not from there', why);
}
