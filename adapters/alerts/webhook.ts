import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { Agent, request } from 'undici';
import type { Alert } from '../../activities/ports';
import { renderAlert } from './message';
import { AlertSinkMisconfigured, AlertUndelivered, type AlertSink } from './sink';
import { AddressRefused, parseWebhookUrl, pinnedLookup } from './webhook-address';

export interface WebhookOptions {
  readonly url: string;
  /** `whsec_<base64>` or base64, 24–64 bytes; several while a secret is being replaced: each signs. */
  readonly secrets: readonly string[];
  readonly name?: string;
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

/** How much of a receiver's answer is read: only so that its connection ends well. */
const responseLimitBytes = 16 * 1024;
const retriedStatuses = new Set([408, 425, 429]);

/** Id of the message: the same alert is the same message for a receiver, whichever attempt or process sent it. */
export function webhookId(alertKey: string): string {
  return `msg_${createHash('sha256').update(alertKey).digest('hex').slice(0, 40)}`;
}

/**
 * A Standard Webhooks sender. Body: `{type: "lastgood.alert", timestamp, data: {…alert, text}}`, the same bytes at each
 * attempt. Retries what may pass (no connection, time-out, 408, 425, 429, 5xx); any other answer is final, a
 * redirect too. Throws `AlertSinkMisconfigured` at once for an address or secret that can never work.
 */
export function webhookSink(options: WebhookOptions): AlertSink {
  const url = parseWebhookUrl(options.url);
  const signers = options.secrets.map((secret) => signer(url.host, secret));
  if (signers.length === 0) throw new AlertSinkMisconfigured(`the webhook at ${url.host} has no signing secret`);
  const attemptLimitMs = options.attemptLimitMs ?? 5_000;
  const agent = new Agent({
    connect: { lookup: pinnedLookup(options.lookup), timeout: attemptLimitMs },
    headersTimeout: attemptLimitMs,
    bodyTimeout: attemptLimitMs,
    // Alerts are rare and a connection that went stale in between would cost an attempt.
    pipelining: 0,
  });

  async function attempt(id: string, body: string, signal: AbortSignal): Promise<Outcome> {
    const sentAt = new Date();
    const limited = AbortSignal.any([signal, AbortSignal.timeout(attemptLimitMs)]);
    try {
      const answer = await request(url, {
        method: 'POST',
        dispatcher: agent,
        signal: limited,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'lastgood',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
          'webhook-signature': signers.map((one) => one.sign(id, sentAt, body)).join(' '),
        },
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

  return {
    name: options.name ?? `webhook ${url.host}`,
    async deliver(alert, signal) {
      const id = webhookId(alert.key);
      const body = payload(alert);
      const total = AbortSignal.any([signal, AbortSignal.timeout(options.totalLimitMs ?? 18_000)]);
      const attempts = options.attempts ?? 5;
      let why = 'no attempt was made in time';
      for (let made = 1; made <= attempts && !total.aborted; made += 1) {
        const outcome = await attempt(id, body, total);
        if (outcome.delivered) return;
        why = `${outcome.why} (attempt ${made} of ${attempts})`;
        if (outcome.final || made === attempts) break;
        const pauseMs = (options.backoffMs ?? 250) * 2 ** (made - 1);
        await pause(pauseMs * (1 + Math.random() / 2), undefined, { signal: total }).catch(() => {});
      }
      throw new AlertUndelivered(`the webhook at ${url.host} did not take the alert: ${why}`);
    },
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

function payload(alert: Alert): string {
  const timestamp = new Date(alert.at).toISOString();
  return JSON.stringify({ type: 'lastgood.alert', timestamp, data: { ...alert, text: renderAlert(alert) } });
}

function signer(host: string, secret: string): Webhook {
  const bytes = Buffer.from(secret.replace(/^whsec_/, ''), 'base64').length;
  const expected = 'expected whsec_ and the base64 of 24 to 64 random bytes';
  if (bytes < 24 || bytes > 64) {
    throw new AlertSinkMisconfigured(`a signing secret of the webhook at ${host} has ${bytes} bytes; ${expected}`);
  }
  try {
    return new Webhook(secret);
  } catch {
    // Without the cause: it may quote what it could not decode.
    throw new AlertSinkMisconfigured(`a signing secret of the webhook at ${host} is not base64; ${expected}`);
  }
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
