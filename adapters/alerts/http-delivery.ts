import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { AlertUndelivered } from './sink';
import { AddressRefused, pinnedLookup } from './webhook-address';

export interface DeliveryLimits {
  /** Default 5. */
  readonly attempts?: number;
  /** For connection, headers and body of one attempt. Default 5 s. */
  readonly attemptLimitMs?: number;
  /** For everything, pauses included. Default 18 s. */
  readonly totalLimitMs?: number;
  /** Pause after the first attempt; doubles, with a random part of up to the half. Default 250 ms. */
  readonly backoffMs?: number;
  /** For tests of name resolution. */
  readonly lookup?: Parameters<typeof pinnedLookup>[0];
}

export interface Delivery {
  readonly body: string;
  /** Made anew for each attempt. */
  headers(sentAt: Date): Readonly<Record<string, string>>;
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
    connect: { lookup: pinnedLookup(limits.lookup), timeout: attemptLimitMs },
    headersTimeout: attemptLimitMs,
    bodyTimeout: attemptLimitMs,
    // Alerts are rare and a connection that went stale in between would cost an attempt.
    pipelining: 0,
  });

  async function attempt({ body, headers }: Delivery, signal: AbortSignal): Promise<Outcome> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(attemptLimitMs)]);
    try {
      const answer = await request(url, {
        method: 'POST',
        dispatcher: agent,
        signal: limited,
        headers: { 'content-type': 'application/json', 'user-agent': 'lastgood', ...headers(new Date()) },
        body,
      });
      // The status has decided; a receiver that never ends its answer changes nothing about that.
      await answer.body.dump({ limit: responseLimitBytes, signal: limited }).catch(() => {});
      return judge(answer.statusCode);
    } catch (error) {
      if (signal.aborted) return { delivered: false, final: true, why: 'no answer in time' };
      if (limited.aborted) return { delivered: false, final: false, why: 'no answer in time' };
      const refused = causes(error).find((one) => one instanceof AddressRefused);
      if (refused) return { delivered: false, final: true, why: refused.message };
      return { delivered: false, final: false, why: reason(error) };
    }
  }

  return async (delivery, signal) => {
    const total = AbortSignal.any([signal, AbortSignal.timeout(limits.totalLimitMs ?? 18_000)]);
    const attempts = limits.attempts ?? 5;
    let why = 'no attempt was made in time';
    for (let made = 1; made <= attempts && !total.aborted; made += 1) {
      const outcome = await attempt(delivery, total);
      if (outcome.delivered) return;
      why = `${outcome.why} (attempt ${made} of ${attempts})`;
      if (outcome.final || made === attempts) break;
      const pauseMs = (limits.backoffMs ?? 250) * 2 ** (made - 1);
      await pause(pauseMs * (1 + Math.random() / 2), undefined, { signal: total }).catch(() => {});
    }
    throw new AlertUndelivered(`${what} at ${url.host} did not take the alert: ${why}`);
  };
}

type Outcome =
  { readonly delivered: true } | { readonly delivered: false; readonly final: boolean; readonly why: string };

function judge(status: number): Outcome {
  if (status >= 200 && status < 300) return { delivered: true };
  if (status >= 300 && status < 400) {
    return { delivered: false, final: true, why: `it answered ${status}; redirects are not followed` };
  }
  return { delivered: false, final: status < 500 && !retriedStatuses.has(status), why: `it answered ${status}` };
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
