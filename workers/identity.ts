import type { Logger } from 'pino';
import type { Proofs } from '../api/identity/identify';
import { OidcTokens } from '../api/identity/oidc';
import { TokenFile } from '../api/identity/token-file';
import type { IdentityConfiguration } from './configuration/configuration';

/** The proofs that the controller's listener takes. @throws Error where the file of tokens cannot be read. */
export function identityProofs(
  { tokensFile, oidc, certificates }: IdentityConfiguration,
  token: string,
  log: Logger,
): Proofs {
  const onUnreadable = (why: string): void =>
    log.error({ why }, 'the file of tokens cannot be read: nobody gets in by it');
  return {
    token,
    tokenFile: tokensFile === null ? null : new TokenFile(tokensFile, onUnreadable),
    oidc: oidc === null ? null : new OidcTokens(oidc),
    certificates,
  };
}
