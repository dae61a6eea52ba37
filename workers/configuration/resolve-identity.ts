import { join } from 'node:path';
import type { IdentityConfiguration } from './configuration';
import type { IdentityText } from './identity-schema';

export function resolveIdentity(
  { tokensFile, actKeyFile, oidc, certificates }: IdentityText,
  dataDir: string,
  absolute: (path: string | undefined) => string | null,
): IdentityConfiguration {
  return {
    tokensFile: absolute(tokensFile),
    actKeyFile: absolute(actKeyFile) ?? join(dataDir, 'acts.key'),
    oidc: oidc ? resolveOidc(oidc, absolute) : null,
    certificates: Object.entries(certificates).map(([commonName, { roles, services }]) => ({
      commonName,
      roles,
      services: services ?? null,
    })),
  };
}

function resolveOidc(
  { keysUrl, keysFile, ...rest }: NonNullable<IdentityText['oidc']>,
  absolute: (path: string | undefined) => string | null,
): NonNullable<IdentityConfiguration['oidc']> {
  // The schema wants exactly one of them.
  return { ...rest, keys: keysUrl === undefined ? { file: absolute(keysFile) ?? '' } : { url: keysUrl } };
}
