import type { ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';
import type { Alert } from '../../activities/ports';
import { webhookId, webhookSink, type WebhookOptions } from '../../adapters/alerts/webhook';
import { addressRefused } from '../../adapters/alerts/webhook-address';
import { anAlert } from '../support/alerts';
import { HttpReceiver } from '../support/http-receiver';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const never = new AbortController().signal;
let receivers: HttpReceiver[] = [];

afterEach(async () => {
  for (const receiver of receivers.splice(0)) await receiver.stop();
});

async function receiving(answer: (nth: number, response: ServerResponse) => void) {
  const receiver = new HttpReceiver(answer);
  receivers.push(receiver);
  return { receiver, url: `${await receiver.start()}/hooks/T0-secret-path` };
}

function deliver(url: string, options: Partial<WebhookOptions> = {}, alert: Alert = anAlert()): Promise<void> {
  return webhookSink({ url, secrets: [secret], backoffMs: 5, ...options }).deliver(alert, never);
}

const status = (code: number) => (_nth: number, response: ServerResponse) => response.writeHead(code).end();

test('a receiver verifies the signature and reads the alert with its text', async () => {
  const { receiver, url } = await receiving(status(204));
  await deliver(url);
  const [got] = receiver.received;
  const message = new Webhook(secret).verify(got?.body ?? '', got?.headers ?? {});
  expect(message).toMatchObject({ type: 'lastgood.alert', timestamp: '2026-10-01T03:12:45.000Z', data: anAlert() });
  expect((message as { data: { text: string } }).data.text).toContain('PAGE mail-triage: recall of bulk fell');
  const wrong = new Webhook(`whsec_${Buffer.alloc(32, 8).toString('base64')}`);
  expect(() => wrong.verify(got?.body ?? '', got?.headers ?? {})).toThrow('No matching signature');
});

test('while a secret is being replaced, receivers with the old and with the new one verify', async () => {
  const { receiver, url } = await receiving(status(200));
  const next = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
  await deliver(url, { secrets: [secret, next] });
  const [got] = receiver.received;
  for (const one of [secret, next]) new Webhook(one).verify(got?.body ?? '', got?.headers ?? {});
});

test('a receiver that fails twice and then takes it has one effective message: same id, same body, fresh signature', async () => {
  const { receiver, url } = await receiving((nth, response) => response.writeHead(nth < 3 ? 503 : 200).end());
  await deliver(url);
  expect(receiver.received).toHaveLength(3);
  expect(new Set(receiver.received.map((got) => got.headers['webhook-id']))).toEqual(
    new Set([webhookId(anAlert().key)]),
  );
  expect(new Set(receiver.received.map((got) => got.body)).size).toBe(1);
  for (const got of receiver.received) new Webhook(secret).verify(got.body, got.headers);
});

test('a connection that breaks is tried again, and the failure names host and code only', async () => {
  const { receiver, url } = await receiving((_nth, response) => response.destroy());
  const failure = deliver(url, { attempts: 3 });
  await expect(failure).rejects.toThrow(/did not take the alert: UND_ERR_SOCKET \(attempt 3 of 3\)/);
  await expect(failure).rejects.not.toThrow(/secret-path|whsec/);
  expect(receiver.received).toHaveLength(3);
});

test('a receiver that is not there is tried again and reported by code', async () => {
  const { receiver, url } = await receiving(status(200));
  await receiver.stop();
  receivers = [];
  await expect(deliver(url, { attempts: 2 })).rejects.toThrow(/ECONNREFUSED \(attempt 2 of 2\)/);
});

test.each([
  [400, 'it answered 400'],
  [410, 'it answered 410'],
  [302, 'it answered 302; redirects are not followed'],
])('an answer of %i is final', async (code, why) => {
  const { receiver, url } = await receiving((_nth, response) =>
    response.writeHead(code, { location: '/elsewhere' }).end(),
  );
  await expect(deliver(url)).rejects.toThrow(why);
  expect(receiver.received.map((got) => got.path)).toEqual(['/hooks/T0-secret-path']);
});

test('a receiver that never answers costs the limit of an attempt each time and the total limit at most', async () => {
  const { receiver, url } = await receiving(() => {});
  const begun = Date.now();
  await expect(deliver(url, { attemptLimitMs: 100, attempts: 50, totalLimitMs: 450 })).rejects.toThrow(
    'no answer in time',
  );
  expect(Date.now() - begun).toBeLessThan(3_000);
  expect(receiver.received.length).toBeGreaterThanOrEqual(2);
  expect(receiver.received.length).toBeLessThanOrEqual(5);
});

test('an acceptance whose body never ends or is huge is an acceptance, once', async () => {
  const endless = await receiving((_nth, response) => void response.writeHead(200).write('x'));
  await deliver(endless.url, { attemptLimitMs: 150 });
  expect(endless.receiver.received).toHaveLength(1);
  const huge = await receiving((_nth, response) => response.writeHead(200).end('x'.repeat(5_000_000)));
  await deliver(huge.url);
  expect(huge.receiver.received).toHaveLength(1);
});

test('a caller that gives up ends the attempts', async () => {
  const { receiver, url } = await receiving(status(500));
  const caller = new AbortController();
  const sink = webhookSink({ url, secrets: [secret], attempts: 1_000, backoffMs: 60_000 });
  const delivery = sink.deliver(anAlert(), caller.signal);
  while (receiver.received.length === 0) await new Promise((resolve) => setImmediate(resolve));
  caller.abort();
  await expect(delivery).rejects.toMatchObject({ name: 'AlertUndelivered' });
  expect(receiver.received).toHaveLength(1);
});

describe('addresses', () => {
  test.each([
    'http://169.254.169.254/latest/meta-data',
    'http://0xa9fea9fe/',
    'http://2852039166/',
    'http://169.254.1.2./',
    'http://[fe80::1]/',
    'http://[febf::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://[fd00:ec2::254]/',
  ])('%s is refused before anything is sent', (url) => {
    expect(() => webhookSink({ url, secrets: [secret] })).toThrow('link-local or a metadata service');
  });

  test('loopback, private and public addresses are allowed', () => {
    for (const address of ['127.0.0.1', '10.1.2.3', '192.168.1.1', '93.184.216.34', '::1', '2606:2800:220:1::1']) {
      expect(addressRefused(address)).toBe(false);
    }
  });

  test.each([
    ['ftp://example.org/x', 'begins with ftp:'],
    ['file:///etc/passwd', 'begins with file:'],
    ['http://user:pa55@example.org/', 'has credentials in it'],
    ['nonsense', 'is not a URL'],
  ])('%s is refused and its secret parts are not repeated', (url, message) => {
    const build = () => webhookSink({ url, secrets: [secret] });
    expect(build).toThrow(message);
    expect(build).not.toThrow(/pa55/);
  });

  test('a name with one metadata address among several is refused at the connection, without a retry', async () => {
    let asked = 0;
    const lookup = ((_host: string, _options: object, callback: (error: null, found: object[]) => void) => {
      asked += 1;
      callback(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '::ffff:169.254.169.254', family: 6 },
      ]);
    }) as unknown as NonNullable<WebhookOptions['lookup']>;
    const failure = deliver('http://hooks.example/', { lookup });
    await expect(failure).rejects.toThrow('hooks.example resolves to ::ffff:169.254.169.254');
    expect(asked).toBe(1);
  });

  test('the connection goes to the address that was checked: the name is resolved once for an attempt', async () => {
    const { receiver, url } = await receiving(status(200));
    let asked = 0;
    const lookup = ((_host: string, _options: object, callback: (error: null, found: object[]) => void) => {
      asked += 1;
      callback(null, [{ address: asked === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }]);
    }) as unknown as NonNullable<WebhookOptions['lookup']>;
    await deliver(url.replace('127.0.0.1', 'hooks.example'), { lookup });
    expect(asked).toBe(1);
    expect(receiver.received[0]?.headers['host']).toContain('hooks.example');
  });

  test.each([
    ['too short', 'whsec_c2hvcnQ=', 'has 5 bytes'],
    ['not base64', `whsec_${'ä!'.repeat(40)}${'QUFB'.repeat(10)}`, 'is not base64'],
  ])('a secret that is %s is refused and not repeated', (_title, bad, message) => {
    const build = () => webhookSink({ url: 'https://example.org/', secrets: [bad] });
    expect(build).toThrow(message);
    expect(build).not.toThrow(new RegExp(bad.slice(6, 20).replace(/[+=]/g, '.')));
  });
});
