import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { request } from 'undici';
import type { CountsRow, TelemetryRow } from '../../../gateway/protocol';
import { route, startGateway, type GatewayProcess, type ServiceOptions } from '../../support/gateway-process';
import { Load, until } from '../../support/load';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(60_000);

let started: { kill(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(started.map((each) => each.kill()));
  started = [];
});

async function upstream(version: string, options?: { port: number; logFile?: string }): Promise<Upstream> {
  const each = await Upstream.start(version, options);
  started.push(each);
  return each;
}

async function gatewayWith(part: ServiceOptions = { name: 'mail' }): Promise<GatewayProcess> {
  const gateway = await startGateway({ services: [part] });
  started.push(gateway);
  return gateway;
}

const counts = (rows: TelemetryRow[], version: string): CountsRow[] =>
  rows.filter((row): row is CountsRow => row.kind === 'counts' && row.version === version);
const total = (
  rows: CountsRow[],
  key: 'requests' | 'failures' | 'timeouts' | 'repeated' | 'cut' | 'malformed' | 'clientErrors',
): number => rows.reduce((sum, row) => sum + row[key], 0);

test('I6: the primary killed under load of POSTs costs no request where a fallback is declared, and the fallback is numbered', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith();
  const record = route(3, '1.2', { '1.1': [v1.backend()], '1.2': [v2.backend()] }, { fallback: '1.1' });
  await gateway.apply(record);
  const load = new Load(gateway.address(), { clients: 16 });
  await until('500 requests before the kill', () => load.sent >= 500);
  await v2.kill();
  await until('the fallback to serve', () => load.tally.answered.at(-1)?.version === '1.1');
  const before = load.sent;
  await until('300 requests on the fallback', () => load.sent >= before + 300);
  const { answered, lost } = await load.stop();
  expect(lost).toEqual([]);
  expect(answered.filter((each) => each.status !== 200)).toEqual([]);
  expect(answered.length).toBeGreaterThanOrEqual(800);
  expect(Math.max(...answered.map((each) => each.ms))).toBeLessThan(1_000);

  expect((await gateway.state()).fallback).toMatchObject({ version: '1.1', epoch: 3 });
  await until('all requests in the telemetry', async () => {
    const rows = (await gateway.telemetry()).filter((row): row is CountsRow => row.kind === 'counts');
    return total(rows, 'requests') === answered.length;
  });
  const rows = await gateway.telemetry();
  expect(rows.map((row) => row.seq)).toEqual(rows.map((_, index) => index + 1));
  expect(rows.filter((row) => row.kind === 'event' && row.event === 'fallbackBegan')).toHaveLength(1);
  expect(total(counts(rows, '1.2'), 'failures')).toBe(0);
  expect(total(counts(rows, '1.2'), 'repeated')).toBeGreaterThan(0);

  // It stays there though the primary is back, also after a restart of the gateway, until a higher epoch.
  await upstream('1.2', { port: v2.port });
  await gateway.kill();
  await gateway.start();
  expect((await gateway.state()).fallback).toMatchObject({ version: '1.1', epoch: 3 });
  const still = await request(gateway.address());
  expect(still.headers['x-lastgood-version']).toBe('1.1');
  await still.body.dump();
  expect(await gateway.apply(record)).toMatchObject({ applied: true });
  expect((await gateway.state()).fallback).not.toBeNull();
  await gateway.apply({ ...record, epoch: 4 });
  expect((await gateway.state()).fallback).toBeNull();
  const back = await request(gateway.address());
  expect(back.headers['x-lastgood-version']).toBe('1.2');
  await back.body.dump();
});

test('I6: a dead primary without a fallback is 502 with the reason, and counted as a failure of the primary', async () => {
  const v1 = await upstream('1.1');
  const gateway = await gatewayWith();
  await gateway.apply(route(1, '1.1', { '1.1': [v1.backend()] }));
  await v1.kill();
  for (let n = 0; n < 5; n += 1) {
    const { statusCode, headers, body } = await request(gateway.address(), { method: 'POST', body: '{}' });
    expect([statusCode, headers['x-lastgood-reason'], headers['x-lastgood-version']]).toEqual([
      502,
      'no-backend',
      '1.1',
    ]);
    await body.dump();
  }
  await until('the failures', async () => total(counts(await gateway.telemetry(), '1.1'), 'failures') === 5);
  const rows = counts(await gateway.telemetry(), '1.1');
  expect(total(rows, 'requests')).toBe(5);
  // The row is closed 100 ms after its first failure.
  expect((rows[0]?.toMs ?? 0) - (rows[0]?.fromMs ?? 0)).toBeLessThan(600);
});

test('one request that makes the backend reset is not repeated on the fallback while others are answered', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith();
  await gateway.apply(route(1, '1.2', { '1.1': [v1.backend()], '1.2': [v2.backend()] }, { fallback: '1.1' }));
  // So many that one of them is answered between the two tries of the request that kills.
  const load = new Load(gateway.address(), { clients: 32 });
  await until('some load', () => load.sent >= 200);
  const { statusCode, body } = await request(`${gateway.address()}/poison`, { method: 'POST', body: '{}' });
  await body.dump();
  await load.stop();
  expect(statusCode).toBe(502);
  expect((await gateway.state()).fallback).toBeNull();
});

test.each([1, 2])(
  'on an idle gateway one request that resets %s backends moves nobody: they accept connections',
  async (copies) => {
    const [v1, ...primaries] = await Promise.all([
      upstream('1.1'),
      ...Array.from({ length: copies }, () => upstream('1.2')),
    ]);
    const gateway = await gatewayWith();
    const backends = { '1.1': [v1.backend()], '1.2': primaries.map((each) => each.backend()) };
    await gateway.apply(route(1, '1.2', backends, { fallback: '1.1' }));
    // Whoever says it again under the same id is the same witness.
    for (let n = 0; n < 2; n += 1) {
      const headers = { 'x-request-id': 'poison-1' };
      const poison = await request(`${gateway.address()}/poison`, { method: 'POST', body: '{}', headers });
      await poison.body.dump();
      expect([poison.statusCode, poison.headers['x-lastgood-reason']]).toEqual([502, 'no-backend']);
    }
    expect((await gateway.state()).fallback).toBeNull();
    const other = await request(gateway.address(), { method: 'POST', body: '{}' });
    await other.body.dump();
    expect([other.statusCode, other.headers['x-lastgood-version']]).toEqual([200, '1.2']);
    expect(v1.answered().size).toBe(0);
  },
);

test('a backend that accepts connections and resets two different requests is dead', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith();
  await gateway.apply(route(1, '1.2', { '1.1': [v1.backend()], '1.2': [v2.backend()] }, { fallback: '1.1' }));
  await v2.behave('reset');
  const statuses: number[] = [];
  for (let n = 0; n < 2; n += 1) {
    const { statusCode, body } = await request(gateway.address(), { method: 'POST', body: '{}' });
    await body.dump();
    statuses.push(statusCode);
  }
  expect(statuses).toEqual([502, 200]);
  expect((await gateway.state()).fallback).toMatchObject({ version: '1.1' });
});

test('a request that kills two backends by itself moves the others to the fallback, and is not sent there', async () => {
  const [v1, a, b] = await Promise.all([upstream('1.1'), upstream('1.2'), upstream('1.2')]);
  const gateway = await gatewayWith();
  const backends = { '1.1': [v1.backend()], '1.2': [a.backend(), b.backend()] };
  await gateway.apply(route(1, '1.2', backends, { fallback: '1.1' }));
  const lethal = await request(`${gateway.address()}/lethal`, { method: 'POST', body: '{}' });
  await lethal.body.dump();
  expect(lethal.statusCode).toBe(502);
  const other = await request(gateway.address(), { method: 'POST', body: '{}' });
  await other.body.dump();
  expect([other.statusCode, other.headers['x-lastgood-version']]).toEqual([200, '1.1']);
});

test('a possibly executed request is not repeated where the service is not repeatable; a refused one is', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith({ name: 'mail', repeatable: false });
  await gateway.apply(route(1, '1.2', { '1.1': [v1.backend()], '1.2': [v2.backend()] }, { fallback: '1.1' }));
  await v2.behave('reset');
  const reset = await request(gateway.address(), { method: 'POST', body: '{}' });
  expect([reset.statusCode, reset.headers['x-lastgood-reason']]).toEqual([502, 'reset']);
  await reset.body.dump();
  expect(v1.answered().size).toBe(0);
  await v2.kill();
  const refused = await request(gateway.address(), { method: 'POST', body: '{}' });
  expect([refused.statusCode, refused.headers['x-lastgood-version']]).toEqual([200, '1.1']);
  await refused.body.dump();
});

test('with two backends the death of one costs nothing and is no fallback', async () => {
  const [a, b, v1] = await Promise.all([upstream('1.2'), upstream('1.2'), upstream('1.1')]);
  const gateway = await gatewayWith();
  await gateway.apply(
    route(1, '1.2', { '1.2': [a.backend(), b.backend()], '1.1': [v1.backend()] }, { fallback: '1.1' }),
  );
  const load = new Load(gateway.address(), { clients: 8 });
  await until('load', () => load.sent >= 200);
  await a.kill();
  const before = load.sent;
  await until('load after the death', () => load.sent >= before + 300);
  const { answered, lost } = await load.stop();
  expect(lost).toEqual([]);
  expect(answered.filter((each) => each.status !== 200 || each.version !== '1.2')).toEqual([]);
  expect((await gateway.state()).fallback).toBeNull();
});

test('a hang is counted as a timeout at firstByteMs, and ends with 504 at requestMaxMs', async () => {
  const v1 = await upstream('1.1');
  const gateway = await gatewayWith({ name: 'mail', firstByteMs: 300, requestMaxMs: 1_500 });
  await gateway.apply(route(1, '1.1', { '1.1': [v1.backend()] }));
  await v1.behave('hang');
  const sentAt = Date.now();
  const pending = request(gateway.address(), { method: 'POST', body: '{}' });
  await until('the timeout', async () => total(counts(await gateway.telemetry(), '1.1'), 'timeouts') === 1);
  expect(Date.now() - sentAt).toBeLessThan(1_300);
  const { statusCode, headers, body } = await pending;
  expect([statusCode, headers['x-lastgood-reason']]).toEqual([504, 'deadline']);
  await body.dump();
  await gateway.stop();
  await gateway.start();
  const rows = counts(await gateway.telemetry(), '1.1');
  expect([total(rows, 'requests'), total(rows, 'timeouts'), total(rows, 'failures')]).toEqual([1, 1, 0]);
});

test('I6: streams are unbroken across a switch of the route, and a stream whose backend dies ends visibly broken', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith();
  const backends = { '1.1': [v1.backend()], '1.2': [v2.backend()] };
  await gateway.apply(route(1, '1.1', backends));
  const streams = Array.from({ length: 20 }, async () => {
    const { body } = await request(`${gateway.address()}/stream?n=40&everyMs=20`);
    return body.text();
  });
  await until('all streams in flight', async () => (await gateway.state()).inFlight['1.1'] === 20);
  await gateway.apply(route(2, '1.2', { '1.2': [v2.backend()] }));
  const texts = await Promise.all(streams);
  expect(texts.every((text) => text.endsWith('data: [DONE]\n\n') && text.match(/data: 1\.1 /g)?.length === 40)).toBe(
    true,
  );

  const { body, headers } = await request(`${gateway.address()}/stream?n=1000&everyMs=20`);
  expect(headers['x-lastgood-version']).toBe('1.2');
  const reading = body.text();
  reading.catch(() => undefined);
  await until('the stream in flight', async () => (await gateway.state()).inFlight['1.2'] === 1);
  await v2.kill();
  await expect(reading).rejects.toThrow();
  await until('the cut in the telemetry', async () => total(counts(await gateway.telemetry(), '1.2'), 'cut') === 1);
});

test('a version that moves to another backend in mid-stream leaves the stream with the backend that took it', async () => {
  const [former, next] = await Promise.all([upstream('1.1'), upstream('1.1')]);
  const gateway = await gatewayWith();
  await gateway.apply(route(1, '1.1', { '1.1': [former.backend()] }));
  const streams = Array.from({ length: 10 }, async () => {
    const { headers, body } = await request(`${gateway.address()}/stream?n=60&everyMs=20`);
    return { id: String(headers['x-request-id']), text: await body.text() };
  });
  await until('all streams in flight', async () => (await gateway.state()).inFlight['1.1'] === 10);
  const load = new Load(gateway.address(), { clients: 4 });
  started.push({ kill: () => load.stop() });
  await until('requests before the change', () => load.sent >= 50);
  await gateway.apply(route(2, '1.1', { '1.1': [next.backend()] }));
  const unended = (await gateway.state()).inFlight['1.1'] ?? 0;
  const before = load.sent;
  await until('requests after it', () => load.sent >= before + 54);
  const ended = await Promise.all(streams);
  const { answered, lost } = await load.stop();
  expect(unended).toBeGreaterThanOrEqual(10);
  for (const { id, text } of ended) {
    expect(text).toBe(Array.from({ length: 60 }, (_, n) => `data: 1.1 ${n}\n\n`).join('') + 'data: [DONE]\n\n');
    expect(former.answered().get(id)).toBe('1.1');
    expect(next.answered().has(id)).toBe(false);
  }
  expect(lost).toEqual([]);
  expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
  expect(next.answered().size).toBeGreaterThanOrEqual(50);
  const rows = counts(await gateway.telemetry(), '1.1');
  expect([total(rows, 'cut'), total(rows, 'failures')]).toEqual([0, 0]);
});

test('the first bytes of a stream reach the client before its first event, and a client that goes ends it upstream', async () => {
  const v1 = await upstream('1.1');
  const gateway = await gatewayWith();
  await gateway.apply(route(1, '1.1', { '1.1': [v1.backend()] }));
  const sentAt = Date.now();
  const { body } = await request(`${gateway.address()}/stream?n=1000&everyMs=50`);
  const iterator = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  expect(String((await iterator.next()).value)).toContain('data: 1.1 0');
  expect(Date.now() - sentAt).toBeLessThan(2_000);
  body.on('error', () => undefined);
  body.destroy();
  await until('the upstream to notice', () => v1.answered().has('closed'));
  await until('nothing in flight', async () => Object.keys((await gateway.state()).inFlight).length === 0);
});

test('bodies are passed unchanged: short, chunked and longer than the replay limit, and a slow reader gets all of it', async () => {
  const v1 = await upstream('1.1');
  const gateway = await gatewayWith();
  await gateway.apply(route(1, '1.1', { '1.1': [v1.backend()] }));
  for (const size of [0, 1, 60_000, 3_000_000]) {
    const sent = Buffer.alloc(size, 'ab');
    const { body } = await request(`${gateway.address()}/echo`, { method: 'POST', body: sent });
    expect(Buffer.compare(Buffer.from(await body.arrayBuffer()), sent)).toBe(0);
  }
  const chunked = await request(`${gateway.address()}/echo`, {
    method: 'POST',
    body: Readable.from(
      (async function* () {
        for (let n = 0; n < 200; n += 1) yield Buffer.alloc(1_000, String(n % 10));
      })(),
    ),
  });
  expect((await chunked.body.arrayBuffer()).byteLength).toBe(200_000);

  const slow = await new Promise<number>((resolve, reject) => {
    const socket = connect(Number(new URL(gateway.address()).port), '127.0.0.1');
    const length = 8_000_000;
    socket.write(`POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${length}\r\n\r\n`);
    socket.write(Buffer.alloc(length, 'z'));
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    });
    socket.on('end', () => resolve(bytes));
    socket.on('error', reject);
  });
  expect(slow).toBeGreaterThan(8_000_000);
});

test('a chunked POST is repeated on the fallback when its backend dies before the answer', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith();
  await gateway.apply(route(1, '1.2', { '1.1': [v1.backend()], '1.2': [v2.backend()] }, { fallback: '1.1' }));
  await v2.behave('hang');
  const pending = request(`${gateway.address()}/echo`, {
    method: 'POST',
    body: Readable.from(
      (async function* () {
        for (let n = 0; n < 10; n += 1) yield Buffer.alloc(100, String(n));
      })(),
    ),
  });
  await until('the request in flight', async () => (await gateway.state()).inFlight['1.2'] === 1);
  await v2.kill();
  const { headers, body } = await pending;
  expect(headers['x-lastgood-version']).toBe('1.1');
  expect((await body.text()).length).toBe(1_000);
});
