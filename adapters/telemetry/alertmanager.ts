import { request } from 'undici';
import { z } from 'zod';
import type { PushedMetrics } from '../../activities/ports';
import type { Look } from './repeated-looks';

/** One declared metric whose value is 1 while an alert fires, and 0 while it does not. */
export interface AlertMetric {
  readonly service: string;
  readonly metric: string;
  /** Base address of the Alertmanager. */
  readonly url: string;
  /** Labels that the alert has, `alertname` among them. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of an alert that always fires while its rules are evaluated, `alertname` among them; null: none is asked for. */
  readonly heartbeat: Readonly<Record<string, string>> | null;
  readonly everyMs: number;
  readonly token?: () => string;
}

const LIMIT_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 3_000;

const alertsSchema = z.array(
  z.object({ labels: z.record(z.string(), z.string()), status: z.object({ state: z.string() }) }),
);

/**
 * Asks an Alertmanager (API v2) whether an alert fires. One that a person silenced, or that another one inhibits, does not. An
 * Alertmanager that does not answer gives no value: unmeasured, neither good nor bad. One whose Prometheus is down, or that was
 * just started, has an empty list and looks good: only a heartbeat tells that apart.
 */
export function alertLook(asked: AlertMetric, store: Pick<PushedMetrics, 'take'>): Look {
  const { service, metric, everyMs } = asked;
  let last = -1;
  return {
    service,
    everyMs,
    async look(nowMs, signal) {
      try {
        // First: what began to fire after it was looked for would be missed, what ended would not.
        if (asked.heartbeat !== null && !(await isFiring({ ...asked, labels: asked.heartbeat }, signal)))
          return [
            `${asked.url}: ${words(asked.heartbeat)} does not fire, as it does while the rules are evaluated: ${metric} is unmeasured until it does; look at Prometheus and its way to the Alertmanager`,
          ];
        const fires = await isFiring(asked, signal);
        // A hint makes it look between two of its own looks; two values of one moment would contradict each other.
        const at = Math.max(Math.floor(nowMs / 1_000) * 1_000, last + 1_000);
        if (at > nowMs + 1_000) return [];
        last = at;
        const item = { metric, value: fires ? 1 : 0, at: new Date(Math.min(at, nowMs)).toISOString() };
        const answer = await store.take(service, { key: `alertmanager/${metric}/${at}`, items: [item] });
        // Another controller of the same service was first: its value stands.
        return answer.taken ? [] : answer.problems.filter((problem) => !problem.startsWith('key:'));
      } catch (fault) {
        return [fault instanceof Error ? fault.message : String(fault)];
      }
    },
  };
}

function words(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(', ');
}

/** Rejects when it cannot be asked, or answers anything else than a list of alerts. */
export async function isFiring(
  { url, labels, token }: Pick<AlertMetric, 'url' | 'labels' | 'token'>,
  signal: AbortSignal,
): Promise<boolean> {
  const filters = Object.entries(labels).map(([name, value]): [string, string] => [
    'filter',
    `${name}=${JSON.stringify(value)}`,
  ]);
  const query = new URLSearchParams([['active', 'true'], ['silenced', 'false'], ['inhibited', 'false'], ...filters]);
  const address = `${url.replace(/\/+$/, '')}/api/v2/alerts`;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  let text = '';
  let status = 0;
  try {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token()}` };
    const answer = await request(`${address}?${query.toString()}`, { headers, signal: limited });
    status = answer.statusCode;
    for await (const part of answer.body as AsyncIterable<Buffer>) {
      text += part.toString();
      if (text.length > LIMIT_BYTES) throw new Error(`the answer is longer than ${LIMIT_BYTES} bytes`);
    }
  } catch (fault) {
    const why = limited.aborted && !signal.aborted ? `no whole answer within ${TIMEOUT_MS} ms` : String(fault);
    throw new Error(`${address}: ${why}`, { cause: fault });
  }
  if (status !== 200) throw new Error(`${address}: answered ${status}: ${text.slice(0, 200)}`);
  const alerts = alertsSchema.safeParse(parsed(text));
  if (!alerts.success) throw new Error(`${address}: answered 200 and nothing that an Alertmanager would say`);
  return alerts.data.some(
    (alert) =>
      alert.status.state === 'active' && Object.entries(labels).every(([name, value]) => alert.labels[name] === value),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
