import { createHash, timingSafeEqual } from 'node:crypto';

/** Compared as digests, so that neither length nor content shows in the time that it takes. */
export function sameText(left: string, right: string): boolean {
  return timingSafeEqual(digestOf(left), digestOf(right));
}

/** SHA-256 of a token. A token is 32 random bytes, so nothing slower is needed against guessing. */
export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

export function isLoopback(ip: string): boolean {
  return ip === '::1' || /^(::ffff:)?127\./.test(ip);
}
