import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Proofs } from '../api/identity/identify';
import { OidcTokens } from '../api/identity/oidc';
import { TokenFile } from '../api/identity/token-file';
import type { Configuration, IdentityConfiguration } from './configuration/configuration';
import { ConfigurationError } from './configuration/configuration';
import { encryptedPayloads } from './encrypted-payloads';

/** The proofs that the controller's listener takes. @throws ConfigurationError where a file that it names cannot be read. */
export function identityProofs(
  { tokensFile, oidc, certificates }: IdentityConfiguration,
  token: string,
  log: Pick<Logger, 'error'>,
): Proofs {
  const onUnreadable = (why: string): void =>
    log.error({ why }, 'the file of tokens cannot be read: nobody gets in by it');
  if (oidc && 'file' in oidc.keys) {
    const { file } = oidc.keys;
    named('api.identity.oidc.keysFile', () => readFileSync(file));
  }
  return {
    token,
    tokenFile:
      tokensFile === null ? null : named('api.identity.tokensFile', () => new TokenFile(tokensFile, onUnreadable)),
    oidc: oidc === null ? null : new OidcTokens(oidc),
    certificates,
  };
}

/** Reads what proves people and what encrypts, as a start does. @throws ConfigurationError */
export function readProofFiles({ api, temporal }: Configuration): void {
  identityProofs(api.identity, '', { error: () => undefined });
  const ca = api.tls?.clientCaFile ?? null;
  if (ca !== null) named('api.tls.clientCaFile', () => readFileSync(ca));
  named('temporal.encryption.keys', () => encryptedPayloads(temporal.encryptionKeys));
}

/** A fault of a file is told by the key that names it. */
function named<T>(key: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigurationError([`${key}: ${(error as Error).message}`]);
  }
}
