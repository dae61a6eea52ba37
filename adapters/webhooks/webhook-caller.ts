import { httpDelivery, type DeliveryLimits } from '../alerts/http-delivery';
import { signedHeaders } from '../alerts/webhook';
import { parseWebhookUrl } from '../alerts/webhook-address';

export interface WebhookCallerOptions extends DeliveryLimits {
  readonly url: string;
  /** Read at each call: `whsec_<base64>` or base64, 24–64 bytes. */
  readonly secret: () => string;
}

/** One message: the same id and bytes at each attempt, so that a receiver knows a repetition. */
export interface WebhookMessage {
  readonly id: string;
  readonly body: string;
}

/** An address that is told, and asked, by Standard Webhooks. */
export interface WebhookCaller {
  readonly host: string;
  /** Resolves when it was taken (2xx); rejects with `AlertUndelivered`. */
  tell(message: WebhookMessage, signal: AbortSignal): Promise<void>;
  /** The JSON of its 200; null where the body is none. Rejects as `tell`. */
  ask(message: WebhookMessage, signal: AbortSignal): Promise<unknown>;
}

/** @throws AlertSinkMisconfigured for an address or secret that can never work */
export function webhookCaller({ url: text, secret, ...limits }: WebhookCallerOptions): WebhookCaller {
  const url = parseWebhookUrl(text, limits.allowAddresses);
  signedHeaders(url.host, [secret()]);
  const deliver = httpDelivery(url, 'the webhook', limits);
  const headersOf = ({ id, body }: WebhookMessage): ((sentAt: Date) => Record<string, string>) =>
    signedHeaders(url.host, [secret()])(id, body);
  return {
    host: url.host,
    tell: async (message, signal) => {
      await deliver({ body: message.body, headers: headersOf(message) }, signal);
    },
    ask: async (message, signal) => {
      let said: unknown = null;
      const answered = (body: unknown): { delivered: true } => {
        said = body;
        return { delivered: true };
      };
      await deliver({ body: message.body, headers: headersOf(message), answered }, signal);
      return said;
    },
  };
}
