import type { PushedMetrics } from '../../activities/ports';
import { alertmanagerSink } from '../../adapters/alerts/alertmanager';
import { alertLook, isFiring, type AlertMetric } from '../../adapters/telemetry/alertmanager';
import { repeatLooks } from '../../adapters/telemetry/repeated-looks';
import { alertmanagerBody } from '../../api/bodies';
import type { ObservationBatch } from '../../gateway/protocol';
import { describeAlertmanager, startAlertmanager, type AlertmanagerServer } from '../support/alertmanager-server';
import { anAlert } from '../support/alerts';
import { HttpReceiver } from '../support/http-receiver';
import { until } from '../support/poll';

jest.setTimeout(60_000);

const never = new AbortController().signal;

class Store implements Pick<PushedMetrics, 'take'> {
  readonly batches: ObservationBatch[] = [];
  take(_service: string, batch: ObservationBatch): ReturnType<PushedMetrics['take']> {
    this.batches.push(batch);
    return Promise.resolve({ taken: true, accepted: batch.items.length, late: 0, repeated: false });
  }
  get values(): number[] {
    return this.batches.flatMap(({ items }) => items.map(({ value }) => value));
  }
}

function metric(url: string, labels: Record<string, string> = {}): AlertMetric {
  const all = { alertname: 'ModelLatencyHigh', ...labels };
  return { service: 'mail', metric: 'slo', url, labels: all, heartbeat: null, everyMs: 60_000 };
}

describeAlertmanager('alerts from and to an Alertmanager')('a real Alertmanager', () => {
  let server: AlertmanagerServer;
  const receiver = new HttpReceiver((_nth, response) => response.writeHead(200).end());
  beforeAll(async () => {
    server = await startAlertmanager(await receiver.start());
  });
  afterAll(async () => {
    await server.stop();
    await receiver.stop();
  });

  test('an alert counts while it fires, for the service whose labels it has, and not while a person silenced it', async () => {
    const ours = metric(server.url, { model: 'mail' });
    expect(await isFiring(ours, never)).toBe(false);
    await server.fire({ alertname: 'ModelLatencyHigh', model: 'mail', severity: 'critical' }, 600_000);
    await until('the alert', () => isFiring(ours, never));
    expect(await isFiring(metric(server.url, { model: 'other' }), never)).toBe(false);
    const at = Date.now();
    const silence = {
      matchers: [{ name: 'alertname', value: 'ModelLatencyHigh', isRegex: false, isEqual: true }],
      startsAt: new Date(at).toISOString(),
      endsAt: new Date(at + 600_000).toISOString(),
      createdBy: 'ada',
      comment: 'a planned load test',
    };
    const { silenceID } = (await server.call('POST', '/api/v2/silences', silence)) as { silenceID: string };
    await until('the silence', async () => !(await isFiring(ours, never)));
    expect(silenceID).toMatch(/-/);
  });

  test('its webhook makes lastgood look at once, and what it looks at is the Alertmanager and not the webhook', async () => {
    const store = new Store();
    const labels = { alertname: 'ErrorBudgetBurns', model: 'mail' };
    const looks = repeatLooks([alertLook({ ...metric(server.url), labels }, store)], () => {});
    await until('the first look', () => store.values.length === 1);
    const before = receiver.received.length;
    await server.fire(labels, 600_000);
    await until('its webhook', () => receiver.received.length > before);
    const body: unknown = JSON.parse(receiver.received.at(-1)?.body ?? '');
    expect(alertmanagerBody.parse(body).alerts).toEqual([expect.objectContaining({ status: 'firing' })]);
    expect(looks.now('another')).toBe(0);
    expect(looks.now('mail')).toBe(1);
    await until('the look', () => store.values.length === 2);
    expect(store.values).toEqual([0, 1]);
    await looks.close();
  });

  test('what lastgood tells stands there with what its reader must do, is one alert however often it is sent, and has an end', async () => {
    const sink = alertmanagerSink({ url: server.url });
    const alert = anAlert({ key: 'mail/inc-7/page', incident: 'inc-7', severity: 'page', at: Date.now() });
    await sink.deliver(alert, never);
    await sink.deliver(alert, never);
    await sink.deliver({ ...alert, key: 'mail/inc-7/ticket', severity: 'ticket' }, never);
    const found = (await server.call('GET', '/api/v2/alerts?filter=alertname%3D%22lastgood%22')) as {
      labels: Record<string, string>;
      annotations: Record<string, string>;
      endsAt: string;
    }[];
    expect(found.map(({ labels }) => labels['severity']).sort()).toEqual(['page', 'ticket']);
    const page = found.find(({ labels }) => labels['severity'] === 'page');
    expect(page?.labels).toMatchObject({ service: alert.service, incident: 'inc-7' });
    expect(page?.annotations).toMatchObject({ summary: alert.title, must: alert.must });
    expect(page?.annotations['description']).toContain(alert.wrong);
    expect(Date.parse(page?.endsAt ?? '')).toBe(alert.at + 12 * 3_600_000);
  });
});

test('I10: an Alertmanager that does not answer, or is none, gives no value and says why', async () => {
  const store = new Store();
  const stranger = new HttpReceiver((_nth, response) => response.writeHead(200).end('<html>a login page</html>'));
  const url = await stranger.start();
  const said = await alertLook(metric(url), store).look(Date.now(), never);
  expect(said).toEqual([`${url}/api/v2/alerts: answered 200 and nothing that an Alertmanager would say`]);
  await stranger.stop();
  expect(await alertLook(metric(url), store).look(Date.now(), never)).toEqual([
    expect.stringContaining(`${url}/api/v2/alerts: Error: connect ECONNREFUSED`),
  ]);
  expect(store.values).toEqual([]);
});

test('I10: with a heartbeat nothing is measured while it does not fire, as after a restart or with Prometheus down', async () => {
  const store = new Store();
  let alerts: { labels: Record<string, string>; status: { state: string } }[] = [];
  const server = new HttpReceiver((_nth, response) => response.writeHead(200).end(JSON.stringify(alerts)));
  const url = await server.start();
  const watched = alertLook({ ...metric(url), heartbeat: { alertname: 'Watchdog' } }, store);
  expect(await watched.look(Date.now(), never)).toEqual([
    expect.stringContaining('alertname="Watchdog" does not fire'),
  ]);
  expect(store.values).toEqual([]);
  alerts = [{ labels: { alertname: 'Watchdog' }, status: { state: 'active' } }];
  expect(await watched.look(Date.now(), never)).toEqual([]);
  alerts.push({ labels: { alertname: 'ModelLatencyHigh' }, status: { state: 'active' } });
  expect(await watched.look(Date.now() + 5_000, never)).toEqual([]);
  expect(store.values).toEqual([0, 1]);
  await server.stop();
});
