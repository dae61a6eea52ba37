import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { gatewayRouter } from '../../../adapters/traffic/gateway';
import { severalRouters } from '../../../adapters/traffic/several-routers';
import { route, startGateway, type GatewayOptions, type GatewayProcess } from '../../support/gateway-process';
import { Load, until } from '../../support/load';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(60_000);

const LEASE_MS = 300;
const closers: (() => Promise<unknown>)[] = [];
let v1: Upstream;
let v2: Upstream;
beforeAll(async () => {
  [v1, v2] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
});
afterAll(() => Promise.all([v1, v2].map((each) => each.kill())));
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const both = (): Record<string, { address: string; instance: string; digest: string }[]> => ({
  '1.1': [v1.backend()],
  '1.2': [v2.backend()],
});
const socketOf = (gateway: GatewayProcess): string => (gateway.config.control as { socket: string }).socket;

/** Two gateways that ask each other: the second over a port with a token, as from another host. */
async function pair(more: GatewayOptions = {}): Promise<{ a: GatewayProcess; b: GatewayProcess }> {
  const [dirA, dirB] = [mkdtempSync(join(tmpdir(), 'lastgood-a-')), mkdtempSync(join(tmpdir(), 'lastgood-b-'))];
  const tokenFile = join(dirA, 'remote-token');
  writeFileSync(tokenFile, 'a-token-of-at-least-16-characters\n');
  const control = { socket: join(dirB, 'control.sock') };
  const limits = { leaseMs: LEASE_MS, holdMaxMs: 1_000 };
  const a = await startGateway({
    ...limits,
    dataDir: dirA,
    remoteControl: { host: '127.0.0.1', port: 0, tokenFile },
    peers: [{ name: 'b', control }],
    ...more,
  });
  closers.push(() => a.kill());
  const url = a.remoteControl ?? '';
  const b = await startGateway({
    ...limits,
    dataDir: dirB,
    control,
    peers: [{ name: 'a', control: { url, tokenFile } }],
    ...more,
  });
  closers.push(() => b.kill());
  return { a, b };
}

async function metric(gateway: GatewayProcess, name: string): Promise<number> {
  const { body } = await request(`${gateway.metricsAddress}/metrics`);
  const line = (await body.text()).split('\n').find((each) => each.startsWith(name));
  return Number(line?.split(' ').at(-1));
}

test('I2: a router that was frozen during the shift takes its epoch before it serves: no request sent after the thaw gets the bad version, none is lost', async () => {
  const { a, b } = await pair();
  const [atA, atB] = [a, b].map((each) => gatewayRouter({ address: { socket: socketOf(each) }, timeoutMs: 1_200 }));
  const router = severalRouters([
    { name: 'a', router: atA! },
    { name: 'b', router: atB! },
  ]);
  closers.push(() => router.close());
  const bad = route(3, '1.2', both());
  expect(await router.apply(bad)).toMatchObject({ applied: true, epoch: 3 });
  const load = new Load(b.address(), { clients: 8 });
  closers.push(() => load.stop());
  await until('requests through both', () => load.sent > 200);

  process.kill(b.pid, 'SIGSTOP');
  const shifted = await router.apply(route(4, '1.1', both()));
  expect(shifted).toMatchObject({ applied: true, epoch: 4, missing: [{ router: 'b' }] });
  const frozen = await router.read('mail');
  expect(frozen.record?.primary).toBe('1.1');
  expect(frozen.differing).toMatchObject([
    { router: 'b', record: null, why: expect.stringContaining('no whole answer') },
  ]);
  // Connections that wait in the kernel of the frozen process: sent before the thaw, answered after it.
  const waiting = Array.from({ length: 8 }, () => request(`${b.address()}/v2/models/mail/infer`));
  await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS));

  process.kill(b.pid, 'SIGCONT');
  const thawedAt = performance.now();
  await until('many requests after the thaw', () => load.tally.answered.filter(sentAfter(thawedAt)).length > 300);
  const { answered, lost } = await load.stop();
  expect(lost).toEqual([]);
  expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
  const after = answered.filter(sentAfter(thawedAt));
  expect(after.filter(({ version }) => version !== '1.1')).toEqual([]);
  const versions = await Promise.all(
    waiting.map(async (each) => {
      const { headers, body } = await each;
      await body.dump();
      return headers['x-lastgood-version'];
    }),
  );
  expect(new Set(versions)).toEqual(new Set(['1.1']));
  expect((await router.read('mail')).differing).toEqual([]);
});

test('a router that was down during the shift takes its epoch and its floor before it answers its first request', async () => {
  const { a, b } = await pair();
  await b.apply(route(3, '1.2', both()));
  await b.kill();
  await a.apply(route(4, '1.1', both()));
  await a.fence(9);
  await b.start();
  const first = await request(b.address());
  await first.body.dump();
  expect(first.headers['x-lastgood-version']).toBe('1.1');
  expect(await b.state()).toMatchObject({ floor: 9, record: { epoch: 4 } });
  expect(await metric(b, 'lastgood_gateway_returns_total{outcome="took"}')).toBe(1);
});

test('where no peer can be asked the own record serves after a bounded wait, with an alarm that ends when one answers', async () => {
  const { a, b } = await pair();
  await a.apply(route(3, '1.2', both()));
  await b.apply(route(3, '1.2', both()));
  process.kill(a.pid, 'SIGSTOP');
  await b.kill();
  await b.start();
  const alone = await request(b.address());
  await alone.body.dump();
  expect(alone.headers['x-lastgood-version']).toBe('1.2');
  expect(await metric(b, 'lastgood_gateway_route_unchecked_seconds')).toBeGreaterThan(0);
  process.kill(a.pid, 'SIGCONT');
  await a.apply(route(5, '1.1', both()));
  await until('the newer record', async () => (await b.state()).record?.epoch === 5);
  expect(await metric(b, 'lastgood_gateway_route_unchecked_seconds')).toBe(0);
});

function sentAfter(atMs: number): (each: { sentAt: number }) => boolean {
  return ({ sentAt }) => sentAt > atMs;
}
