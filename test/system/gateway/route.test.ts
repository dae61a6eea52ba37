import { request } from 'undici';
import { route, startGateway, type GatewayProcess } from '../../support/gateway-process';
import { Load, until } from '../../support/load';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(60_000);

let v1: Upstream;
let v2: Upstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  [v1, v2] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
});
afterAll(async () => {
  await Promise.all([v1.kill(), v2.kill()]);
});
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(async () => {
  await gateway.kill();
});

const backends = (): Record<string, { address: string; instance: string; digest: string }[]> => ({
  '1.1': [v1.backend()],
  '1.2': [v2.backend()],
});

test('I6: a switch under load loses no request, and nothing that begins after the answer reaches the old version', async () => {
  await gateway.apply(route(1, '1.1', backends()));
  const load = new Load(gateway.address(), { clients: 8 });
  const applied: { at: number; from: string; to: string }[] = [];
  for (let epoch = 2; epoch <= 11; epoch += 1) {
    const before = load.sent;
    await until('100 requests between two switches', () => load.sent >= before + 100);
    const to = epoch % 2 === 0 ? '1.2' : '1.1';
    expect(await gateway.apply(route(epoch, to, backends()))).toMatchObject({ applied: true, epoch });
    applied.push({ at: performance.now(), from: to === '1.2' ? '1.1' : '1.2', to });
  }
  const before = load.sent;
  await until('100 requests after the last switch', () => load.sent >= before + 100);
  const { answered, lost } = await load.stop();

  expect(lost).toEqual([]);
  expect(answered.length).toBeGreaterThanOrEqual(1_100);
  expect(answered.filter((each) => each.status !== 200)).toEqual([]);
  for (const { sentAt, version } of answered) {
    const inForce = applied.filter((each) => each.at < sentAt).at(-1);
    const next = applied.find((each) => each.at >= sentAt);
    const allowed = [inForce?.to ?? '1.1', ...(next ? [next.to] : [])];
    expect(allowed).toContain(version);
    // Sent well before the next switch: only the one in force.
    if (inForce && next && next.at - sentAt > 100) expect(version).toBe(inForce.to);
  }
});

test('stale epochs, epochs below the floor, the same epoch with other content and a primary without backend are refused', async () => {
  const record = route(5, '1.1', backends());
  expect(await gateway.apply({ ...record, backends: { '1.2': [v2.backend()] } })).toMatchObject({
    applied: false,
    why: 'no-backend',
  });
  expect(await gateway.state()).toMatchObject({ record: null, floor: 0 });
  const first = await gateway.apply(record);
  expect(first).toMatchObject({ applied: true, epoch: 5 });
  expect(await gateway.apply(record)).toEqual(first);
  expect(await gateway.apply(route(4, '1.2', backends()))).toMatchObject({
    applied: false,
    why: 'stale-epoch',
    epoch: 5,
  });
  expect(await gateway.apply(route(5, '1.2', backends()))).toMatchObject({
    applied: false,
    why: 'same-epoch-other-content',
  });
  expect(await gateway.fence(9)).toBe(9);
  expect(await gateway.fence(7)).toBe(9);
  expect(await gateway.apply(route(8, '1.2', backends()))).toMatchObject({
    applied: false,
    why: 'below-floor',
    floor: 9,
  });
  expect(await gateway.apply({ ...route(9, '1.2', backends()), weight: 1 } as never)).toMatchObject({
    applied: false,
    why: 'invalid',
  });
  expect((await gateway.state()).record).toEqual(record);
  expect(await gateway.apply(route(9, '1.2', backends()))).toMatchObject({ applied: true, epoch: 9 });
});

test('every answer carries the request id and the version; an insane id is replaced', async () => {
  await gateway.apply(route(1, '1.1', backends()));
  const ask = async (id: string): Promise<string> => {
    const { headers, body } = await request(gateway.address(), { headers: { 'x-request-id': id } });
    const upstream = (await body.json()) as { headers: Record<string, string> };
    expect(headers['x-lastgood-version']).toBe('1.1');
    expect(upstream.headers['x-request-id']).toBe(headers['x-request-id']);
    return String(headers['x-request-id']);
  };
  expect(await ask('order:77.a')).toBe('order:77.a');
  expect(await ask('a b')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(await ask('x'.repeat(129))).toMatch(/^[0-9a-f-]{36}$/);
});

test('without a route, requests get 503 with the reason; mirrored requests are refused', async () => {
  const early = await request(gateway.address());
  expect(early.statusCode).toBe(503);
  expect(early.headers['x-lastgood-reason']).toBe('no-route');
  await early.body.dump();
  await gateway.apply(route(1, '1.1', backends()));
  const mirrored = await request(gateway.address(), { headers: { 'x-lastgood-mirror': '1' } });
  expect(mirrored.statusCode).toBe(400);
  expect(mirrored.headers['x-lastgood-reason']).toBe('mirror');
  await mirrored.body.dump();
});

test('I14: killed and started again it has the same route, floor and pins, and shows the time in which something may be lost', async () => {
  await gateway.apply(route(1, '1.1', backends()));
  const session = { 'x-session-id': 'alice' };
  await (await request(gateway.address(), { headers: session })).body.dump();
  const until1 = Date.now() + 60_000;
  const record = route(2, '1.2', backends(), { pins: [{ version: '1.1', until: until1 }] });
  await gateway.apply(record);
  await gateway.fence(40);
  await until('the pin to be on disk', async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return ((await gateway.state()).pinned['1.1']?.sessions ?? 0) === 1;
  });
  const seq = (await gateway.state()).lastSeq;
  await gateway.kill();
  const killedAt = Date.now();
  await gateway.start();

  const state = await gateway.state();
  expect(state).toMatchObject({ record, floor: 40 });
  expect(state.pinned['1.1']).toMatchObject({ sessions: 1 });
  const pinned = await request(gateway.address(), { headers: session });
  expect(pinned.headers['x-lastgood-version']).toBe('1.1');
  await pinned.body.dump();
  const other = await request(gateway.address(), { headers: { 'x-session-id': 'bob' } });
  expect(other.headers['x-lastgood-version']).toBe('1.2');
  await other.body.dump();
  const events = (await gateway.telemetry(seq)).filter((row) => row.kind === 'event');
  expect(events.map((row) => row.event)).toEqual(['gap', 'gatewayStarted']);
  expect(events[0]?.seq).toBe(seq + 1);
  expect(events[0]?.fromMs).toBeLessThanOrEqual(killedAt);
  expect(killedAt - (events[0]?.fromMs ?? 0)).toBeLessThan(2_500);
});

test('I6: ended by SIGTERM it finishes what is in flight, exits 0, and its next start shows no gap', async () => {
  await gateway.apply(route(1, '1.1', backends()));
  const stream = await request(`${gateway.address()}/stream?n=20&everyMs=30`);
  const text = stream.body.text();
  const code = gateway.stop();
  expect(await text).toContain('[DONE]');
  expect(await code).toBe(0);
  await gateway.start();
  const events = (await gateway.telemetry()).filter((row) => row.kind === 'event').map((row) => row.event);
  expect(events).toEqual(['gatewayStarted', 'routeApplied', 'gatewayStarted']);
  const counts = (await gateway.telemetry()).filter((row) => row.kind === 'counts');
  expect(counts.reduce((sum, row) => sum + row.requests, 0)).toBe(1);
});
