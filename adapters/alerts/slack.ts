import { createHash } from 'node:crypto';
import type { Alert } from '../../activities/ports';
import { httpDelivery, type Delivery, type DeliveryLimits } from './http-delivery';
import type { AlertMemory } from './memory';
import { clean, renderAlertLine } from './message';
import type { Attempted } from './retries';
import type { AlertSink } from './sink';
import { parseWebhookUrl } from './webhook-address';

interface Common extends DeliveryLimits {
  readonly name: string;
}

/** An incoming webhook: its address is the secret. It answers no id, so it has no threads: each state is a message. */
export interface SlackWebhookOptions extends Common {
  readonly webhook: string;
}

/** A bot (scope `chat:write`), whose messages can be answered: one thread for each incident. */
export interface SlackBotOptions extends Common {
  /** Read at each delivery. */
  readonly token: () => string;
  /** Id or name. */
  readonly channel: string;
  /** Base address of the API; default https://slack.com/api. */
  readonly url?: string;
  readonly memory: AlertMemory;
}

/** How long the second state of an incident waits for the thread that the first one begins; then it stands alone. */
const THREAD_WAIT_MS = 5_000;
/** Slack's limit for the text of a section is 3,000 characters. */
const TEXT_LIMIT = 2_900;
/** What Slack says of a moment, not of the message. */
const passing = new Set(['ratelimited', 'rate_limited', 'internal_error', 'fatal_error', 'service_unavailable']);

export function slackWebhookSink(options: SlackWebhookOptions): AlertSink {
  const deliver = httpDelivery(parseWebhookUrl(options.webhook), 'Slack', options);
  return {
    name: options.name,
    deliver: (alert, signal) => deliver({ body: JSON.stringify(messageOf(alert)), headers: () => ({}) }, signal),
  };
}

/**
 * Posts with `chat.postMessage`. The first state of an incident begins its thread; later ones answer there, and pages among
 * them also in the channel, where somebody looks. Slack knows no key of a message: an attempt whose answer was lost may
 * show it twice.
 */
export function slackBotSink(options: SlackBotOptions): AlertSink {
  const { name, channel, token, memory } = options;
  const base = parseWebhookUrl(options.url ?? 'https://slack.com/api');
  const url = new URL(`${base.href.replace(/\/+$/, '')}/chat.postMessage`);
  const deliver = httpDelivery(url, 'Slack', options);
  const last = new Map<string, Promise<unknown>>();

  async function post(alert: Alert, signal: AbortSignal): Promise<void> {
    const thread = threadOf(alert);
    const known = thread === null ? null : memory.get(name, thread);
    const answer = known === null ? {} : { thread_ts: known.value, reply_broadcast: alert.severity === 'page' };
    let begun: string | null = null;
    const delivery: Delivery = {
      body: JSON.stringify({ channel, ...messageOf(alert), ...answer }),
      headers: () => ({ authorization: `Bearer ${token()}`, 'content-type': 'application/json; charset=utf-8' }),
      answered: (body) => {
        const said = saidBySlack(body);
        begun = said.ts;
        return said.outcome;
      },
    };
    await deliver(delivery, signal);
    if (thread !== null && known === null && begun !== null) await memory.note(name, thread, begun);
  }

  return {
    name,
    async deliver(alert, signal) {
      const thread = threadOf(alert);
      if (thread === null) return await post(alert, signal);
      const before = last.get(thread);
      const mine = (async () => {
        if (before !== undefined) await atMost(before, THREAD_WAIT_MS);
        await post(alert, signal);
      })();
      const ended = mine.catch(() => {}).finally(() => last.get(thread) === ended && last.delete(thread));
      last.set(thread, ended);
      await mine;
    },
  };
}

function threadOf({ service, incident }: Alert): string | null {
  return incident === null ? null : `thread/${service}/${incident}`;
}

async function atMost(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/** Slack says 200 to everything that it understood. */
function saidBySlack(body: unknown): { outcome: Attempted; ts: string | null } {
  const { ok, ts, error } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  if (ok === true) return { outcome: { delivered: true }, ts: typeof ts === 'string' ? ts : null };
  const named = typeof error === 'string' && /^[a-z_]{1,60}$/.test(error) ? error : null;
  const why = named === null ? 'it answered nothing that Slack would say' : `it answered ${named}`;
  return { outcome: { delivered: false, final: named !== null && !passing.has(named), why }, ts: null };
}

/** `text` is what a notification shows; a command stands alone, so that it can be copied. */
function messageOf(alert: Alert): object {
  const { incident, at, command, link } = alert;
  const when = `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  const parts = [
    `*${escaped(renderAlertLine(alert))}*`,
    `${when}${incident === null ? '' : ` · incident ${escaped(clean(incident))}`}`,
    ...(['wrong', 'did', 'users'] as const).map((field) => `*${field}* ${escaped(clean(alert[field]))}`),
    `*you must* ${escaped(clean(alert.must))}`,
    ...(command === null ? [] : [`\`\`\`${escaped(clean(command)).replaceAll('`', "'")}\`\`\``]),
    ...(link === null ? [] : [escaped(clean(link))]),
  ];
  const text = parts.join('\n');
  return {
    text: escaped(renderAlertLine(alert)),
    blocks: [{ type: 'section', text: { type: 'mrkdwn', text: text.slice(0, TEXT_LIMIT) } }],
    unfurl_links: false,
    metadata: {
      event_type: 'lastgood_alert',
      event_payload: { id: createHash('sha256').update(alert.key).digest('hex').slice(0, 40) },
    },
  };
}

/** Slack's own escapes: what a text says must not become a mention, a link or an entity. */
function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
