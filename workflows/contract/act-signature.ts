import { ed25519 } from '@noble/curves/ed25519';
import { z } from 'zod';

/** Proof that the controller's interface has identified who sends a message. */
export interface ActSignature {
  /** The key: {@link keyName} of its public half. */
  readonly key: string;
  /** Milliseconds since the epoch, by the clock of whoever signed. */
  readonly expires: number;
  /** Ed25519 (RFC 8032) over {@link signedText}, 64 bytes in hex. */
  readonly signature: string;
}

export const actSignatureSchema: z.ZodType<ActSignature> = z.strictObject({
  key: z.string().min(1).max(16),
  expires: z.int(),
  signature: z.string().regex(/^[0-9a-f]{128}$/, '64 bytes in hex'),
});

/** What is signed: service, message and expiry as JSON with sorted keys. The request id in it makes a replay a repetition. */
export function signedText(
  service: string,
  { signature: _its, ...message }: { readonly signature?: unknown },
  { key, expires }: Pick<ActSignature, 'key' | 'expires'>,
): string {
  return sorted({ purpose: 'lastgood act 1', service, message, key, expires });
}

/** Null when the signature is good; else what is wrong with it. Computed in the workflow, so that no decision waits. */
export function problemOfSignature(
  service: string,
  message: { readonly signature?: ActSignature },
  keys: readonly string[],
  now: number,
): string | null {
  const { signature } = message;
  if (signature === undefined) return 'there is none';
  const key = keys.find((known) => keyName(known) === signature.key);
  if (key === undefined)
    return `it is by the key ${signature.key}, which is not one of ${keys.map(keyName).join(', ')}`;
  if (signature.expires <= now)
    return `it expired at ${new Date(signature.expires).toISOString()}, and here it is ${new Date(now).toISOString()}: the act waited too long, or the clocks differ`;
  const good = verifies(signature.signature, signedText(service, message, signature), key);
  return good ? null : 'it does not fit the act: something was changed after it was signed';
}

/** A short name for a public key. */
export function keyName(publicKey: string): string {
  return publicKey.slice(0, 8);
}

function verifies(signature: string, text: string, publicKey: string): boolean {
  try {
    return ed25519.verify(signature, new TextEncoder().encode(text), publicKey);
  } catch {
    // Not a point of the curve, or not of the right length.
    return false;
  }
}

function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${sorted(field)}`).join(',')}}`;
}
