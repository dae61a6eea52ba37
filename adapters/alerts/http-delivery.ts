import { Agent, request } from 'undici';
import { delivered, type Attempted, type RetryLimits } from './retries';
import { AddressRefused, pinnedLookup } from './webhook-address';

export interface DeliveryLimits extends RetryLimits {
  /** For tests of name resolution. */
  readonly lookup?: Parameters<typeof pinnedLookup>[0];
  /** Hosts and addresses that are reached although they look like a metadata service. */
  readonly allowAddresses?: readonly string[];
}

export interface Delivery {
  readonly body: string;
  /** Made anew for each attempt. */
  headers(sentAt: Date): Readonly<Record<string, string>>;
  /** For receivers that say in the body of a 2xx whether they took it; null: it says nothing that could be read. */
  readonly answered?: (body: unknown) => Attempted;
}

/** How much of a receiver's answer is read: only so that its connection ends well. */
const responseLimitBytes = 16 * 1024;
const retriedStatuses = new Set([408, 425, 429]);

/**
 * Posts to one address until it is taken: the same bytes at each attempt. Retries what may pass (no connection, time-out, 408,
 * 425, 429, 5xx); any other answer is final, a redirect too. Rejects with `AlertUndelivered`, whose message names the host at
 * most. `what` begins its sentence.
 */
export function httpDelivery(
  url: URL,
  what: string,
  limits: DeliveryLimits,
): (delivery: Delivery, signal: AbortSignal) => Promise<void> {
  const attemptLimitMs = limits.attemptLimitMs ?? 5_000;
  const agent = new Agent({
    connect: { lookup: pinnedLookup(limits.lookup, limits.allowAddresses), timeout: attemptLimitMs },
    headersTimeout: attemptLimitMs,
    bodyTimeout: attemptLimitMs,
    // Alerts are rare and a connection that went stale in between would cost an attempt.
    pipelining: 0,
  });

  async function attempt({ body, headers, answered }: Delivery, signal: AbortSignal): Promise<Attempted> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(attemptLimitMs)]);
    try {
      const answer = await request(url, {
        method: 'POST',
        dispatcher: agent,
        signal: limited,
        headers: { 'content-type': 'application/json', 'user-agent': 'lastgood', ...headers(new Date()) },
        body,
      });
      const outcome = judge(answer.statusCode, answer.headers['retry-after']);
      if (outcome.delivered && answered !== undefined) return answered(await jsonOf(answer.body));
      // The status has decided; a receiver that never ends its answer changes nothing about that.
      await answer.body.dump({ limit: responseLimitBytes, signal: limited }).catch(() => {});
      return outcome;
    } catch (error) {
      if (signal.aborted) return { delivered: false, final: true, why: 'no answer in time' };
      if (limited.aborted) return { delivered: false, final: false, why: 'no answer in time' };
      const refused = causes(error).find((one) => one instanceof AddressRefused);
      if (refused) return { delivered: false, final: true, why: refused.message };
      return { delivered: false, final: false, why: reason(error) };
    }
  }

  return (delivery, signal) => delivered(`${what} at ${url.host}`, limits, signal, (total) => attempt(delivery, total));
}

/** The answer as JSON; null where it is none or too long. Rejects when it does not end in time. */
async function jsonOf(body: AsyncIterable<Buffer>): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > responseLimitBytes) return null;
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    return null;
  }
}

function judge(status: number, retryAfter: string | string[] | undefined): Attempted {
  if (status >= 200 && status < 300) return { delivered: true };
  if (status >= 300 && status < 400) {
    return { delivered: false, final: true, why: `it answered ${status}; redirects are not followed` };
  }
  const final = status < 500 && !retriedStatuses.has(status);
  const seconds = Number(retryAfter);
  const after = Number.isFinite(seconds) && seconds > 0 ? { afterMs: seconds * 1_000 } : {};
  return { delivered: false, final, why: `it answered ${status}`, ...after };
}

interface ErrorShape {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

/** The error, what caused it and what it collects, outermost first. By shape: errors of a client have many classes. */
function causes(error: unknown): ErrorShape[] {
  if (typeof error !== 'object' || error === null) return [];
  const shape: ErrorShape = error;
  return [shape, ...causes(shape.cause), ...(shape.errors ?? []).flatMap(causes)];
}

/** By code and not by message: messages of a client may quote the address with its secret path. */
function reason(error: unknown): string {
  const all = causes(error);
  const code = all.map((one) => one.code).find((one) => typeof one === 'string');
  return code ?? all[0]?.name ?? 'an unknown error';
}
