import { createHash, createPublicKey, type KeyObject } from 'node:crypto';

/** Curves of the key method, and the hash that each signs with. Source: OpenSSF Model Signing 1.0, Sigstore's registry. */
const HASHES = { prime256v1: 'sha256', secp384r1: 'sha384', secp521r1: 'sha512' } as const;

/** A public key that may have signed artifacts. */
export interface SigningKey {
  /** For people: the name of its file. */
  readonly name: string;
  /** SHA-256, in hex, of the key as PEM: what a signature names as its hint. */
  readonly fingerprint: string;
  readonly hash: (typeof HASHES)[keyof typeof HASHES];
  readonly key: KeyObject;
}

/** Reads a public key in PEM. Throws an Error that says what was found and what was expected. */
export function readSigningKey(name: string, pem: string): SigningKey {
  const expected = 'expected a public key in PEM, ECDSA on P-256, P-384 or P-521';
  // Node would derive the public key from a private one, which has no business in a verifier's configuration.
  if (pem.includes('PRIVATE KEY'))
    throw new Error(`${name}: found a private key, ${expected}; remove it from this host`);
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}, ${expected}`, {
      cause: error,
    });
  }
  const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
  const hash = Object.hasOwn(HASHES, curve) ? HASHES[curve as keyof typeof HASHES] : null;
  if (hash === null)
    throw new Error(`${name}: found ${key.asymmetricKeyType ?? 'a key'} ${curve}`.trim() + `, ${expected}`);
  const spki = key.export({ type: 'spki', format: 'pem' });
  return { name, hash, key, fingerprint: createHash('sha256').update(spki).digest('hex') };
}
