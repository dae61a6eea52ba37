import { createHash, randomBytes } from 'node:crypto';
import { roles } from '../domain/roles';

export const roleNames: readonly string[] = roles;

/** A token of 32 random bytes, and what a file may hold of it. */
export function newToken(): { readonly token: string; readonly sha256: string } {
  const token = `lg_${randomBytes(32).toString('base64url')}`;
  return { token, sha256: createHash('sha256').update(token).digest('hex') };
}
