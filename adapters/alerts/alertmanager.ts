import { createHash } from 'node:crypto';
import type { Alert } from '../../activities/ports';
import { httpDelivery, type DeliveryLimits } from './http-delivery';
import { renderAlert } from './message';
import type { AlertSink } from './sink';
import { parseWebhookUrl } from './webhook-address';

export interface AlertmanagerOptions extends DeliveryLimits {
  /** Base address, such as http://127.0.0.1:9093. */
  readonly url: string;
  /** Bearer token, read at each delivery. */
  readonly token?: () => string;
  readonly name?: string;
}

/** An alert is sent once, so its end is said with it: longer than a night, so that nobody finds it gone in the morning. */
const STANDS_MS = { page: 12 * 3_600_000, ticket: 12 * 3_600_000, info: 5 * 60_000 } as const;

/**
 * Sends to an Alertmanager (API v2), which groups, silences and pages by its own rules. Labels: `alertname: lastgood`, `service`,
 * `severity` (page, ticket, info), `incident` where there is one, and `state`, which tells two alerts of an incident apart.
 */
export function alertmanagerSink(options: AlertmanagerOptions): AlertSink {
  const base = parseWebhookUrl(options.url);
  const url = new URL(`${base.href.replace(/\/+$/, '')}/api/v2/alerts`);
  const deliver = httpDelivery(url, 'the Alertmanager', options);
  return {
    name: options.name ?? `alertmanager ${url.host}`,
    deliver: (alert, signal) => {
      const headers = (): Record<string, string> =>
        options.token === undefined ? {} : { authorization: `Bearer ${options.token()}` };
      return deliver({ body: JSON.stringify([posted(alert)]), headers }, signal);
    },
  };
}

function posted(alert: Alert): object {
  const { key, service, incident, severity, at, title, command, link, did, users, must, wrong } = alert;
  const state = createHash('sha256').update(key).digest('hex').slice(0, 12);
  return {
    labels: { alertname: 'lastgood', service, severity, state, ...(incident !== null && { incident }) },
    annotations: {
      summary: title,
      description: renderAlert(alert),
      ...{ wrong, did, users, must },
      ...(command !== null && { command }),
    },
    startsAt: new Date(at).toISOString(),
    endsAt: new Date(at + STANDS_MS[severity]).toISOString(),
    // It refuses what is no address.
    ...(link !== null && /^https?:/.test(link) && { generatorURL: link }),
  };
}
