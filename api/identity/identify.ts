import type { FastifyRequest } from 'fastify';
import { sharedTokenName } from '../../domain/roles';
import { ApiError } from '../problem';
import type { Caller } from './caller';
import { callerByCertificate, type CertificateHolder } from './certificates';
import type { OidcTokens } from './oidc';
import { isLoopback, sameText } from './text';
import type { TokenFile } from './token-file';

/**
 * Who may speak at one listener. The Unix socket has mode 0600: whoever reaches it is the user whose processes these are,
 * and may do everything that they may. Every other listener wants a proof.
 */
export type Door =
  { readonly kind: 'socket'; readonly user: string } | { readonly kind: 'tcp'; readonly proofs: Proofs };

/** The proofs that one listener takes. */
export interface Proofs {
  /** The token of the data directory: the word of the user whose processes these are. */
  readonly token: string;
  readonly tokenFile: TokenFile | null;
  readonly oidc: OidcTokens | null;
  readonly certificates: readonly CertificateHolder[];
}

const everything = { roles: ['admin'], services: null, metrics: null } as const;

/** @throws ApiError 401, with what was wrong with the proof. */
export async function identify(door: Door, request: FastifyRequest, now: number): Promise<Caller> {
  if (door.kind === 'socket')
    return { actor: { name: door.user, proof: 'unix-user', from: 'local socket' }, isLocalUser: true, ...everything };
  const { token, tokenFile, oidc, certificates } = door.proofs;
  const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (given === undefined) {
    const byCertificate = callerByCertificate(request, certificates);
    if (byCertificate) return { ...byCertificate, isLocalUser: false };
    throw unknown('no token came with the request');
  }
  // Its file can be read by the user of these processes only; from this machine it is that user's word.
  if (sameText(given, token)) {
    const actor = { name: sharedTokenName, proof: 'token', from: request.ip } as const;
    return { actor, isLocalUser: isLoopback(request.ip), ...everything };
  }
  const reading = tokenFile?.read(given, request.ip, now) ?? null;
  if (reading !== null && 'caller' in reading) return { ...reading.caller, isLocalUser: false };
  if (reading !== null) throw unknown(reading.expired);
  if (oidc === null || given.split('.').length !== 3) throw unknown('the token is not known here');
  try {
    return { ...(await oidc.read(given, request.ip)), isLocalUser: false };
  } catch (error) {
    throw unknown(`the OpenID Connect token is not accepted: ${(error as Error).message}`);
  }
}

function unknown(why: string): ApiError {
  return new ApiError(
    401,
    'Nobody is known to have asked',
    `${why}; send \`authorization: Bearer TOKEN\`, with the token of the data directory (api.token) or one of your own, or use the local socket`,
  );
}
