import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import type { CountsRow, Sample } from '../../../gateway/protocol';
import { route, startGateway, type GatewayProcess, type ServiceOptions } from '../../support/gateway-process';
import { until } from '../../support/load';

jest.setTimeout(60_000);

const chunk = (content: string, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;
const words = Array.from({ length: 40 }, (_, at) => ['Grüße ', 'aus ', 'Köln ', '🚲 '][at % 4] as string);
const text = words.join('');

/** A server that streams as the path says; every write is a packet of its own. */
function streaming(): Server {
  return createServer((req, res) => {
    req.resume();
    req.on('end', () => void answer(req.url ?? '', res));
  });
}

async function answer(path: string, res: ServerResponse): Promise<void> {
  if (path === '/whole') {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ choices: [{ message: { content: text }, finish_reason: 'length' }] }));
    return;
  }
  res.socket?.setNoDelay(true);
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  const whole = Buffer.from(words.map((word) => chunk(word)).join('') + chunk('', 'stop') + 'data: [DONE]\n\n');
  const step = path === '/bytes' ? 7 : 300;
  for (let at = 0; at < whole.length; at += step) {
    if (path === '/cut' && at > whole.length / 2) {
      res.socket?.destroy();
      return;
    }
    if (path === '/early' && at > whole.length / 2) break;
    res.write(whole.subarray(at, at + step));
    await pause(1);
  }
  if (path === '/long') for (let more = 0; more < 3_000; more += 1) res.write(chunk('y'.repeat(900)));
  res.end(path === '/long' ? chunk('', 'length') : undefined);
}

let gateway: GatewayProcess;
let server: Server;
const sampled = { share: 1, maxCount: 100, maxAgeMs: 60_000, redactFields: [] };

async function begin(service: Partial<ServiceOptions> = {}): Promise<void> {
  server = streaming();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const answerPaths = { textPath: 'choices[0].message.content' };
  gateway = await startGateway({ services: [{ name: 'mail', answer: answerPaths, samples: sampled, ...service }] });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await gateway.apply(route(1, '1.1', { '1.1': [{ address, instance: 'mail@1.1#1', digest: 'sha256:1' }] }));
}
afterEach(async () => {
  await gateway.kill();
  server.closeAllConnections();
  server.close();
});

async function ask(path: string): Promise<string> {
  const { body } = await request(`${gateway.address()}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"messages":[{"role":"user","content":"hi"}],"stream":true}',
  });
  return await body.text();
}

async function samples(): Promise<Sample[]> {
  return ((await gateway.control('GET', '/services/mail/samples')).body as { samples: Sample[] }).samples;
}

async function counted(key: 'requests' | 'malformed' | 'failures' | 'cut'): Promise<number> {
  const rows = (await gateway.telemetry()).filter((row): row is CountsRow => row.kind === 'counts');
  return rows.reduce((sum, row) => sum + row[key], 0);
}

test('a streamed answer reaches the client unchanged and the samples as its text with the reason of its end', async () => {
  await begin();
  const sent = words.map((word) => chunk(word)).join('') + chunk('', 'stop') + 'data: [DONE]\n\n';
  expect(await ask('/stream')).toBe(sent);
  expect(await ask('/bytes')).toBe(sent);
  const [, first] = await samples();
  expect(await samples()).toMatchObject([{ path: '/bytes', answer: text, finish: 'stop' }, { path: '/stream' }]);
  expect(first).toMatchObject({ answer: text, finish: 'stop', predicted: null, version: '1.1' });
});

test('many sampled streams at once are all unbroken, and all sampled', async () => {
  await begin();
  const sent = words.map((word) => chunk(word)).join('') + chunk('', 'stop') + 'data: [DONE]\n\n';
  const streams = await Promise.all(Array.from({ length: 60 }, () => ask('/bytes')));
  expect(streams.filter((stream) => stream !== sent)).toEqual([]);
  const kept = await samples();
  expect(kept.filter(({ answer }) => answer === text)).toHaveLength(60);
});

test('an answer in one piece is sampled with the same fields', async () => {
  await begin();
  await ask('/whole');
  expect(await samples()).toMatchObject([{ answer: text, finish: 'length' }]);
});

test('a stream that is cut or stops early gives no answer, and one without an end near gives its beginning', async () => {
  await begin();
  await expect(ask('/cut')).rejects.toThrow();
  await until('the cut', async () => (await counted('cut')) === 1);
  expect(await samples()).toEqual([]);
  await ask('/early');
  const long = await ask('/long');
  expect(long.length).toBeGreaterThan(2_700_000);
  const kept = await samples();
  expect(kept).toMatchObject([
    { path: '/long', finish: 'length' },
    { path: '/early', answer: null, finish: null },
  ]);
  expect(kept[0]?.answer).toHaveLength(8_192);
});

test('a stream is neither a class nor a malformed answer where a class is expected', async () => {
  await begin({ answer: { classPath: 'outputs[name=label].data[0]', textPath: 'choices[0].message.content' } });
  await ask('/stream');
  await until('the request', async () => (await counted('requests')) === 1);
  expect([await counted('malformed'), await counted('failures')]).toEqual([0, 0]);
  expect(await samples()).toMatchObject([{ answer: text, predicted: null }]);
});

test('without a place for the text, or where samples are off, nothing of an answer is kept', async () => {
  await begin({ samples: { ...sampled, share: 0 } });
  await ask('/stream');
  expect((await gateway.control('GET', '/services/mail/samples')).body).toEqual({ off: true, samples: [] });
});
