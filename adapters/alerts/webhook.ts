import { createHash } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { Alert } from '../../activities/ports';
import { renderAlert } from './message';
import { httpDelivery, type DeliveryLimits } from './http-delivery';
import { AlertSinkMisconfigured, type AlertSink } from './sink';
import { parseWebhookUrl } from './webhook-address';

export interface WebhookOptions extends DeliveryLimits {
  readonly url: string;
  /** `whsec_<base64>` or base64, 24–64 bytes; several while a secret is being replaced: each signs. */
  readonly secrets: readonly string[];
  readonly name?: string;
}

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
  const headersOf = signedHeaders(url.host, options.secrets);
  const deliver = httpDelivery(url, 'the webhook', options);
  return {
    name: options.name ?? `webhook ${url.host}`,
    deliver: (alert, signal) => {
      const id = webhookId(alert.key);
      const body = payload(alert);
      return deliver({ body, headers: headersOf(id, body) }, signal);
    },
  };
}

/** The headers of Standard Webhooks, for each moment of sending. @throws AlertSinkMisconfigured for a secret that can never work */
export function signedHeaders(
  host: string,
  secrets: readonly string[],
): (id: string, body: string) => (sentAt: Date) => Record<string, string> {
  const signers = secrets.map((secret) => signer(host, secret));
  if (signers.length === 0) throw new AlertSinkMisconfigured(`the webhook at ${host} has no signing secret`);
  return (id, body) => (sentAt) => ({
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
    'webhook-signature': signers.map((one) => one.sign(id, sentAt, body)).join(' '),
  });
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
