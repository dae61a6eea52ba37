import { readFileSync } from 'node:fs';
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from 'jose';
import { roles, type Role } from '../../domain/roles';
import type { Caller } from './caller';

export interface OidcOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Where the issuer's public keys are: an address, or a file for a site without a way to it. */
  readonly keys: { readonly url: string } | { readonly file: string };
  /** Claim that names the person, and the one that lists groups; dots go into objects (`realm_access.roles`). */
  readonly nameClaim: string;
  readonly rolesClaim: string;
  /** What a group of the issuer may do here; a group that is not in it may nothing. */
  readonly roles: Readonly<Record<string, readonly Role[]>>;
}

/** Asymmetric only: with a shared secret whoever checks a token could make one. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const clockToleranceS = 30;
const keysTimeoutMs = 3_000;

/** Tokens of an OpenID Connect issuer (RFC 7519, 9068), checked with its public keys. */
export class OidcTokens {
  private keys: Promise<JWTVerifyGetKey> | null = null;

  constructor(private readonly options: OidcOptions) {}

  /** Who the token is; rejects with a sentence about what is wrong with it. */
  async read(token: string, from: string): Promise<Omit<Caller, 'isLocalUser'>> {
    const { jwtVerify } = await import('jose');
    const { issuer, audience, nameClaim, rolesClaim } = this.options;
    const { payload } = await jwtVerify(token, await this.keySet(), {
      ...{ issuer, audience, algorithms, clockTolerance: clockToleranceS, requiredClaims: ['exp', 'sub'] },
    });
    const named = claim(payload, nameClaim);
    const name = typeof named === 'string' && named !== '' ? named : String(payload.sub);
    const groups = [claim(payload, rolesClaim)].flat().filter((each): each is string => typeof each === 'string');
    const held = roles.filter((role) => groups.some((group) => ownEntry(this.options.roles, group)?.includes(role)));
    return { actor: { name: name.slice(0, 128), proof: 'oidc', from }, roles: held, services: null, metrics: null };
  }

  private keySet(): Promise<JWTVerifyGetKey> {
    this.keys ??= this.readKeys().catch((error: unknown) => {
      this.keys = null;
      throw error;
    });
    return this.keys;
  }

  private async readKeys(): Promise<JWTVerifyGetKey> {
    const { createLocalJWKSet, createRemoteJWKSet } = await import('jose');
    const { keys } = this.options;
    // It asks again for a key that it does not know, at most every 30 s: keys of an issuer change.
    if ('url' in keys) return createRemoteJWKSet(new URL(keys.url), { timeoutDuration: keysTimeoutMs });
    return createLocalJWKSet(JSON.parse(readFileSync(keys.file, 'utf8')) as JSONWebKeySet);
  }
}

function claim(payload: JWTPayload, path: string): unknown {
  const asWritten = ownEntry(payload, path);
  if (asWritten !== undefined) return asWritten;
  return path.split('.').reduce<unknown>((value, key) => {
    return typeof value === 'object' && value !== null ? ownEntry(value as Record<string, unknown>, key) : undefined;
  }, payload);
}

function ownEntry<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
