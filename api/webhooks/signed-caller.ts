import { createHash } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '../identity/caller';
import type { RollbackCaller } from '../ports';
import { ApiError } from '../problem';

/** How far the clock of a sender may be from ours; older is not taken, so that what was heard on the way is soon of no use. */
export const toleranceMs = 5 * 60_000;

export interface SignedCall {
  readonly caller: Caller;
  readonly webhook: string;
  /** The sender's name for the message. */
  readonly id: string;
}

/**
 * Who signed a call (Standard Webhooks): one of those that the configuration names for the service, and nobody else.
 * @throws ApiError 401, with what was wrong with the proof
 */
export function readSignedCall(
  service: string,
  callers: readonly RollbackCaller[],
  given: { readonly headers: IncomingHttpHeaders; readonly body: Buffer; readonly from: string; readonly now: number },
): SignedCall {
  const { headers, body, from, now } = given;
  if (callers.length === 0)
    throw unknown(`nobody may roll ${service} back by a signed call; see services.${service}.rollbackWebhooks`);
  const id = single(headers, 'webhook-id');
  if (!/^[\w.:~-]{1,128}$/.test(id)) throw unknown('webhook-id: expected 1 to 128 letters, digits and . _ : ~ -');
  const stamp = single(headers, 'webhook-timestamp');
  const signature = single(headers, 'webhook-signature');
  const at = /^\d{1,12}$/.test(stamp) ? Number(stamp) * 1_000 : NaN;
  if (Number.isNaN(at))
    throw unknown(`webhook-timestamp: found ${JSON.stringify(stamp.slice(0, 40))}, expected seconds since 1970`);
  if (Math.abs(now - at) > toleranceMs)
    throw unknown(
      `webhook-timestamp: found ${iso(at)}, and here it is ${iso(now)}, more than 5 minutes apart: the message is old, or one of the clocks is wrong`,
    );
  // Every one is tried, so that the time says nothing about which one it was.
  const signers = callers.filter((each) => fits(each, body, { id, stamp, signature }));
  const [signer] = signers;
  if (!signer)
    throw unknown(
      `webhook-signature: by none of ${callers.map(({ name }) => name).join(', ')}, or something was changed after it was signed`,
    );
  const actor = { name: `webhook:${signer.name}`, proof: 'webhook', from } as const;
  const caller: Caller = { actor, isLocalUser: false, roles: ['operator'], services: [service], metrics: null };
  return { caller, webhook: signer.name, id };
}

/** The same message is the same request, also for a controller that starts anew. */
export function requestIdOf({ webhook, id }: Pick<SignedCall, 'webhook' | 'id'>): string {
  return `webhook-${createHash('sha256').update(`${webhook}\n${id}`).digest('hex').slice(0, 40)}`;
}

function fits(
  { secret }: RollbackCaller,
  body: Buffer,
  { id, stamp, signature }: { id: string; stamp: string; signature: string },
): boolean {
  const headers = { 'webhook-id': id, 'webhook-timestamp': stamp, 'webhook-signature': signature };
  try {
    new Webhook(secret()).verify(body, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

function single(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  if (typeof value === 'string' && value !== '') return value;
  throw unknown(`${name}: is missing; expected a call signed by Standard Webhooks`);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function unknown(why: string): ApiError {
  return new ApiError(401, 'Nobody is known to have asked', why);
}
