import type { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import type { Role } from '../../domain/roles';
import type { Caller } from './caller';

/** What the holder of a client certificate may do; found by the common name of its subject. */
export interface CertificateHolder {
  readonly commonName: string;
  readonly roles: readonly Role[];
  readonly services: readonly string[] | null;
}

/** The caller by its client certificate: null without one that our authority signed and that the configuration names. */
export function callerByCertificate(
  request: FastifyRequest,
  holders: readonly CertificateHolder[],
): Omit<Caller, 'isLocalUser'> | null {
  const socket = request.raw.socket as Partial<TLSSocket>;
  if (socket.authorized !== true || socket.getPeerCertificate === undefined) return null;
  const { subject } = socket.getPeerCertificate();
  // Two common names in one subject: nobody can say which one the authority looked at.
  const commonName: unknown = (subject as { CN?: unknown } | undefined)?.CN;
  const holder = holders.find((each) => each.commonName === commonName);
  if (!holder) return null;
  const actor = { name: holder.commonName, proof: 'mtls', from: request.ip } as const;
  return { actor, roles: holder.roles, services: holder.services, metrics: null };
}
