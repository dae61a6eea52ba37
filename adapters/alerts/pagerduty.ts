import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Alert } from '../../activities/ports';
import { httpDelivery, type DeliveryLimits } from './http-delivery';
import type { AlertMemory } from './memory';
import { clean, renderAlert, renderAlertLine } from './message';
import type { AlertSink, OpenIncident } from './sink';
import { parseWebhookUrl } from './webhook-address';

export interface PagerDutyOptions extends DeliveryLimits {
  readonly name: string;
  /** Integration key of the service there (Events API v2), read at each delivery. */
  readonly routingKey: () => string;
  /** Base address; default https://events.pagerduty.com. */
  readonly url?: string;
  readonly memory: AlertMemory;
}

const severities = { page: 'critical', ticket: 'warning', info: 'info' } as const;
const waitingPhases = new Set(['awaiting-approval', 'waiting-for-human', 'on-fallback']);

/** What is open there. `waited`: since the newest trigger the incident was seen to wait for a person. */
const openSchema = z.strictObject({
  service: z.string(),
  incident: z.string(),
  waited: z.boolean(),
  acknowledged: z.boolean(),
});
type Open = z.output<typeof openSchema>;

/**
 * Sends to PagerDuty (Events API v2) or what speaks its protocol. One incident of lastgood is one there: `dedup_key`. A later
 * state of it is resolved and triggered anew, as a trigger with a known key calls nobody, and what was acknowledged as "nothing
 * until morning" may need somebody now. Acknowledged when a person has answered lastgood, resolved when the incident is over.
 * Idempotent: the same event again changes nothing there.
 */
export function pagerDutySink(options: PagerDutyOptions): AlertSink {
  const { name, memory, routingKey } = options;
  const base = parseWebhookUrl(options.url ?? 'https://events.pagerduty.com');
  const deliver = httpDelivery(new URL(`${base.href.replace(/\/+$/, '')}/v2/enqueue`), 'PagerDuty', options);
  const enqueue = (event: object, signal: AbortSignal): Promise<void> =>
    deliver({ body: JSON.stringify({ routing_key: routingKey(), ...event }), headers: () => ({}) }, signal);

  return {
    name,
    async deliver(alert, signal) {
      const key = dedupKey(alert);
      if (alert.incident !== null && memory.get(name, `open/${key}`) !== null)
        await enqueue({ event_action: 'resolve', dedup_key: key }, signal);
      await enqueue(triggerOf(alert, key), signal);
      if (alert.incident === null) return;
      const open: Open = { service: alert.service, incident: alert.incident, waited: false, acknowledged: false };
      await memory.note(name, `open/${key}`, JSON.stringify(open));
    },
    async follow(service, now, signal) {
      for (const { what, value } of memory.having(name, 'open/')) {
        const open = readOpen(value);
        if (open === null) await memory.note(name, what, '');
        else if (open.service === service) await followOne(what, open, now, signal);
      }
    },
  };

  async function followOne(what: string, open: Open, now: OpenIncident | null, signal: AbortSignal): Promise<void> {
    const dedup = { dedup_key: what.slice('open/'.length) };
    if (now?.id !== open.incident || now.phase === 'ended') {
      await enqueue({ event_action: 'resolve', ...dedup }, signal);
      return await memory.note(name, what, '');
    }
    const waits = waitingPhases.has(now.phase);
    if (waits && !open.waited) await memory.note(name, what, JSON.stringify({ ...open, waited: true }));
    if (waits || !open.waited || open.acknowledged) return;
    await enqueue({ event_action: 'acknowledge', ...dedup }, signal);
    await memory.note(name, what, JSON.stringify({ ...open, acknowledged: true }));
  }
}

/** At most 255 characters there. */
function dedupKey({ service, incident, key }: Alert): string {
  const text = `lastgood/${incident === null ? key : `${service}/${incident}`}`;
  return text.length <= 255 ? text : `lastgood/${createHash('sha256').update(text).digest('hex')}`;
}

function triggerOf(alert: Alert, key: string): object {
  const { service, incident, severity, at, wrong, did, users, must, command, link } = alert;
  return {
    event_action: 'trigger',
    dedup_key: key,
    client: 'lastgood',
    payload: {
      summary: renderAlertLine(alert).slice(0, 1_024),
      source: service,
      severity: severities[severity],
      timestamp: new Date(at).toISOString(),
      component: service,
      class: 'model degradation',
      custom_details: {
        must: clean(must),
        run: command === null ? '' : clean(command),
        wrong: clean(wrong),
        did: clean(did),
        users: clean(users),
        incident: incident ?? '',
        text: renderAlert(alert),
      },
    },
    ...(link !== null && /^https?:/.test(link) && { links: [{ href: link, text: 'what lastgood knows' }] }),
  };
}

function readOpen(value: string): Open | null {
  try {
    const parsed = openSchema.safeParse(JSON.parse(value));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
