import { request } from 'undici';
import type { AnswerLookup, CountsRow, GatewayCacheConfig, GatewayCacheState } from '../../../gateway/protocol';
import { answerLookupSchema, gatewayCacheStateSchema } from '../../../gateway/protocol';
import { route, startGateway, type GatewayOptions, type GatewayProcess } from '../../support/gateway-process';
import { until } from '../../support/load';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(60_000);

let started: { kill(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(started.map((each) => each.kill()));
  started = [];
});

const cache: GatewayCacheConfig = {
  strategy: 'version-tagged',
  maxBytes: 1 << 20,
  maxEntryBytes: 65_536,
  maxAgeMs: 60_000,
  coalesceMaxMs: 5_000,
  ignoreHeaders: [],
};

interface Rig {
  readonly gateway: GatewayProcess;
  readonly v1: Upstream;
  readonly v2: Upstream;
  readonly go: (epoch: number, primary: string, more?: Parameters<typeof route>[3]) => Promise<unknown>;
}

async function rig(part: Partial<GatewayCacheConfig> = {}, more: GatewayOptions = {}): Promise<Rig> {
  const [v1, v2] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
  started.push(v1, v2);
  const gateway = await startGateway({ services: [{ name: 'mail', cache: { ...cache, ...part } }], ...more });
  started.push(gateway);
  const backends = { '1.1': [v1.backend()], '1.2': [v2.backend()] };
  const go: Rig['go'] = async (epoch, primary, rest) => await gateway.apply(route(epoch, primary, backends, rest));
  await go(1, '1.1');
  return { gateway, v1, v2, go };
}

interface Asked {
  readonly how: string;
  readonly version: string;
  readonly id: string;
  readonly text: string;
  readonly status: number;
}

async function ask(
  gateway: GatewayProcess,
  text = 'hello',
  headers: Record<string, string> = {},
  path = '/infer',
): Promise<Asked> {
  const response = await request(gateway.address() + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ text }),
  });
  const body = await response.body.text();
  return {
    how: String(response.headers['x-lastgood-cache'] ?? 'none'),
    version: String(response.headers['x-lastgood-version']),
    id: String(response.headers['x-request-id']),
    text: body,
    status: response.statusCode,
  };
}

async function state(gateway: GatewayProcess): Promise<GatewayCacheState> {
  return gatewayCacheStateSchema.parse((await gateway.control('GET', '/services/mail/cache')).body);
}

test('the same question is answered once by the model, and its record says whose answer the second one was', async () => {
  const { gateway, v1 } = await rig();
  const first = await ask(gateway);
  const second = await ask(gateway);
  expect([first.how, second.how]).toEqual(['miss', 'hit']);
  expect(second.text).toBe(first.text);
  expect(v1.answered().size).toBe(1);
  const found = answerLookupSchema.parse((await gateway.control('GET', `/answers/${second.id}`)).body) as AnswerLookup;
  expect(found).toMatchObject({
    known: true,
    answer: { version: '1.1', cached: first.id, class: 'spam', score: 0.75 },
  });
  expect(second.id).not.toBe(first.id);
  // A hit is no news of the model: of these four requests two are in the rows of the version.
  await ask(gateway);
  await ask(gateway, 'another');
  const counted = async (): Promise<number> => (await countsOf(gateway)).reduce((sum, row) => sum + row.requests, 0);
  await until('the row of the last one', async () => (await counted()) >= 2);
  expect(await counted()).toBe(2);
  expect(await state(gateway)).toMatchObject({ hits: 2, misses: 2, versions: { '1.1': { entries: 2 } } });
});

async function countsOf(gateway: GatewayProcess): Promise<CountsRow[]> {
  return (await gateway.telemetry()).filter((row): row is CountsRow => row.kind === 'counts');
}

test('whoever asks with other credentials, another question or for a fresh answer gets the model', async () => {
  const { gateway } = await rig({ ignoreHeaders: ['X-Trace'] });
  await ask(gateway, 'hello', { authorization: 'Bearer a', 'x-trace': '1' });
  expect((await ask(gateway, 'hello', { authorization: 'Bearer b' })).how).toBe('miss');
  expect((await ask(gateway, 'other', { authorization: 'Bearer a' })).how).toBe('miss');
  expect((await ask(gateway, 'hello', { authorization: 'Bearer a' }, '/infer?x=1')).how).toBe('miss');
  expect((await ask(gateway, 'hello', { authorization: 'Bearer a', 'cache-control': 'no-cache' })).how).toBe('none');
  expect((await ask(gateway, 'hello', { authorization: 'Bearer a', 'x-trace': '2' })).how).toBe('hit');
});

test('an error is never kept, and a probe of lastgood always asks the model', async () => {
  const { gateway, v1 } = await rig();
  await v1.behave('error');
  expect(await ask(gateway)).toMatchObject({ status: 500, how: 'miss' });
  await v1.behave('ok');
  expect(await ask(gateway)).toMatchObject({ status: 200, how: 'miss' });
  const health = (await gateway.control('GET', '/health')).body as { probeTokenFile: string };
  const token = (await import('node:fs')).readFileSync(health.probeTokenFile, 'utf8').trim();
  expect((await ask(gateway, 'hello', { 'x-lastgood-probe': token })).how).toBe('none');
});

test('nothing of the version that was left is served after the shift; a return is warm, unless it was dropped', async () => {
  const { gateway, go } = await rig();
  await ask(gateway);
  await go(2, '1.2');
  expect(await ask(gateway)).toMatchObject({ how: 'miss', version: '1.2' });
  await go(3, '1.1');
  expect(await ask(gateway)).toMatchObject({ how: 'hit', version: '1.1' });
  expect(
    (await gateway.control('POST', '/services/mail/cache', { versions: ['1.2'], by: 'rollback i-1' })).body,
  ).toEqual({ dropped: 1 });
  await go(4, '1.2');
  expect(await ask(gateway)).toMatchObject({ how: 'miss', version: '1.2' });
  expect((await state(gateway)).lastDrop).toMatchObject({ by: 'rollback i-1', versions: ['1.2'], entries: 1 });
});

test('with invalidate a return is cold', async () => {
  const { gateway, go } = await rig({ strategy: 'invalidate' });
  await ask(gateway);
  await go(2, '1.2');
  await go(3, '1.1');
  expect(await ask(gateway)).toMatchObject({ how: 'miss', version: '1.1' });
});

test('auto says by which calculation it chose', async () => {
  const { gateway, go } = await rig({ strategy: 'auto', slaP99Ms: 60_000 });
  await ask(gateway);
  await ask(gateway);
  await go(2, '1.2');
  const { choice } = await state(gateway);
  expect(choice).toMatchObject({ strategy: 'invalidate' });
  expect(choice?.why).toMatch(/hit rate 50\.0 %: cold, the model gets 2\.0 times the requests/);
});

test('a session that is pinned to the version that was left gets nothing from the cache, and leaves nothing there', async () => {
  const { gateway, go } = await rig();
  const alice = { 'x-session-id': 'alice' };
  expect(await ask(gateway, 'hello', alice)).toMatchObject({ how: 'miss', version: '1.1' });
  await go(2, '1.2', { pins: [{ version: '1.1', until: Date.now() + 60_000 }] });
  expect(await ask(gateway, 'hello', alice)).toMatchObject({ how: 'none', version: '1.1' });
  expect(await ask(gateway, 'hello', { 'x-session-id': 'bob' })).toMatchObject({ version: '1.2' });
});

test('equal requests at the same time ask the model once', async () => {
  const { gateway, v1 } = await rig();
  await v1.behave('ok', 400);
  const all = await Promise.all(Array.from({ length: 20 }, () => ask(gateway)));
  expect(v1.answered().size).toBe(1);
  expect(all.map(({ how }) => how).sort()).toEqual([...Array<string>(19).fill('coalesced'), 'miss']);
  expect(new Set(all.map(({ text }) => text)).size).toBe(1);
  expect(new Set(all.map(({ id }) => id)).size).toBe(20);
});

test('who waits for a request that fails, or whose client leaves, is answered all the same', async () => {
  const { gateway, v1 } = await rig();
  await v1.behave('ok', 600);
  const gone = new AbortController();
  const leader = request(`${gateway.address()}/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'hello' }),
    signal: gone.signal,
  }).catch((error: Error) => error.name);
  await until('the leader is with the model', async () => (await gateway.state()).inFlight['1.1'] === 1);
  const follower = ask(gateway);
  await until('the other one waits for it', async () => (await state(gateway)).waiting === 1);
  gone.abort();
  await leader;
  expect(await follower).toMatchObject({ status: 200, version: '1.1' });
  await v1.behave('error', 300);
  const failed = await Promise.all(Array.from({ length: 4 }, () => ask(gateway, 'other')));
  expect(failed.map(({ status }) => status)).toEqual([500, 500, 500, 500]);
});

test('an answer that was asked for before the shift is given to nobody who came after it', async () => {
  const { gateway, v1, go } = await rig();
  await v1.behave('ok', 800);
  const early = ask(gateway);
  await until('it is with the model', async () => (await gateway.state()).inFlight['1.1'] === 1);
  const waiting = ask(gateway);
  await until('the other one waits for it', async () => (await state(gateway)).waiting === 1);
  await go(2, '1.2');
  expect(await ask(gateway)).toMatchObject({ version: '1.2', how: 'miss' });
  expect(await early).toMatchObject({ version: '1.1', how: 'miss' });
  expect((await waiting).version).toBe('1.2');
  expect(await ask(gateway)).toMatchObject({ version: '1.2', how: 'hit' });
});

test('its memory is bounded, and streams and long answers pass unkept', async () => {
  const { gateway } = await rig({ maxBytes: 5_000, maxEntryBytes: 2_000 });
  for (let index = 0; index < 20; index += 1) await ask(gateway, `question ${index}`);
  const { bytes, evicted } = await state(gateway);
  expect(bytes).toBeLessThanOrEqual(5_000);
  expect(evicted).toBeGreaterThanOrEqual(15);
  const stream = await ask(gateway, 'hello', {}, '/stream?n=2&everyMs=5');
  expect(stream.text).toContain('[DONE]');
  expect((await ask(gateway, 'hello', {}, '/stream?n=2&everyMs=5')).how).toBe('miss');
  const long = { 'x-much': 'x'.repeat(3_000) };
  expect((await ask(gateway, 'long', long)).how).toBe('miss');
  expect((await ask(gateway, 'long', long)).how).toBe('miss');
});
