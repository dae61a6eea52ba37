import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../domain/ledger';
import { ApiError } from './problem';

/**
 * Who may speak at one listener. The Unix socket has mode 0600: whoever reaches it is the user whose processes these
 * are. Every other listener wants the bearer token.
 */
export type Door =
  { readonly kind: 'socket'; readonly user: string } | { readonly kind: 'tcp'; readonly token: string };

export interface Caller {
  readonly actor: Actor;
  /** May name paths of this machine. */
  readonly isLocalUser: boolean;
}

/** @throws ApiError 401 */
export function identifyCaller(door: Door, request: FastifyRequest): Caller {
  if (door.kind === 'socket') {
    return { actor: { name: door.user, proof: 'unix-user', from: 'local socket' }, isLocalUser: true };
  }
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (given === undefined || !sameText(given, door.token)) {
    throw new ApiError(
      401,
      'The token is missing or wrong',
      'send `authorization: Bearer <token>` with the token of the data directory (api.token), or use the local socket',
    );
  }
  // The token's file can be read by the user of these processes only; from this machine it is that user's word.
  return { actor: { name: 'api-token', proof: 'token', from: request.ip }, isLocalUser: isLoopback(request.ip) };
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || /^(::ffff:)?127\./.test(ip);
}

/** Compared as digests, so that neither length nor content shows in the time that it takes. */
function sameText(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
