import { request } from 'undici';
import { route, startGateway, type GatewayProcess } from '../../support/gateway-process';
import { until } from '../../support/load';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(60_000);

let v1: Upstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  v1 = await Upstream.start('1.1');
});
afterAll(async () => {
  await v1.kill();
});
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(async () => {
  await gateway.kill();
});

interface Told {
  readonly status: number;
  readonly reason: string | undefined;
  readonly version: string | undefined;
  readonly retryAfter: string | undefined;
}

async function ask(): Promise<Told> {
  const {
    statusCode: status,
    headers,
    body,
  } = await request(`${gateway.address()}/v2/models/mail/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [] }),
  });
  await body.dump();
  const header = (name: string): string | undefined => headers[name] as string | undefined;
  return {
    status,
    reason: header('x-lastgood-reason'),
    version: header('x-lastgood-version'),
    retryAfter: header('retry-after'),
  };
}

const backends = (): Record<string, { address: string; instance: string; digest: string }[]> => ({
  '1.1': [v1.backend()],
});
const gapRecord = (epoch: number, lastsMs: number, expectedMs: number): ReturnType<typeof route> => {
  const since = Date.now();
  return { ...route(epoch, '1.1', {}), gap: { since, until: since + lastsMs, expectedAt: since + expectedMs } };
};

async function refused(): Promise<Record<string, number>> {
  const { body } = await request(`${gateway.metricsAddress}/metrics`);
  const found = (await body.text()).matchAll(/refused_total\{[^}]*reason="([^"]+)"[^}]*\} (\d+)/g);
  return Object.fromEntries([...found].map(([, reason = '', count]) => [reason, Number(count)]));
}

test('I6: in a gap a running request ends, new ones are told 503 and when to come again, and no version is blamed', async () => {
  await gateway.apply(route(1, '1.1', backends()));
  await v1.behave('ok', 1_000);
  const running = ask();
  await until('it runs', async () => (await gateway.state()).inFlight['1.1'] === 1);
  expect(await gateway.apply(gapRecord(2, 60_000, 20_000))).toMatchObject({ applied: true, epoch: 2 });

  const told = await Promise.all([ask(), ask(), ask()]);
  for (const { status, reason, version, retryAfter } of told) {
    expect({ status, reason, version }).toEqual({ status: 503, reason: 'gap', version: 'none' });
    expect(Number(retryAfter)).toBeGreaterThanOrEqual(18);
    expect(Number(retryAfter)).toBeLessThanOrEqual(20);
  }
  expect(await running).toMatchObject({ status: 200, version: '1.1' });
  await v1.behave('ok');
  expect(await refused()).toEqual({ gap: 3 });

  await gateway.apply(route(3, '1.1', backends()));
  expect(await ask()).toMatchObject({ status: 200 });
  await until('all is written', async () => (await counts()).requests === 2);
  expect(await counts()).toEqual({ requests: 2, failures: 0 });
  expect(await gapAnswers()).toEqual(['3 answered 503']);
});

async function counts(): Promise<{ requests: number; failures: number }> {
  const rows = (await gateway.telemetry()).flatMap((row) => (row.kind === 'counts' ? [row] : []));
  const sum = (of: 'requests' | 'failures'): number => rows.reduce((total, row) => total + row[of], 0);
  return { requests: sum('requests'), failures: sum('failures') };
}

async function gapAnswers(): Promise<string[]> {
  const rows = await gateway.telemetry();
  return rows.flatMap((row) => (row.kind === 'event' && row.event === 'gapAnswers' ? [row.detail] : []));
}

test('a gap outlives a restart of the gateway, and is called too long once its promised end is over', async () => {
  await gateway.apply(route(1, '1.1', backends()));
  const record = gapRecord(2, 4_000, 1_000);
  await gateway.apply(record);
  expect(await ask()).toMatchObject({ status: 503, reason: 'gap' });
  await until('it is written', async () => (await gapAnswers()).length === 1);
  await gateway.kill();
  await gateway.start();

  expect((await gateway.state()).record).toEqual(record);
  expect(await ask()).toMatchObject({ status: 503, reason: 'gap' });
  await until('its end', () => Date.now() >= (record.gap?.until ?? 0));
  const late = await ask();
  expect(late).toMatchObject({ status: 503, reason: 'gap-over', version: 'none' });
  expect(Number(late.retryAfter)).toBeGreaterThanOrEqual(1);
  expect(await gateway.stop()).toBe(0);
  await gateway.start();
  // Written down before it ended: nobody has to believe the counters of one process.
  expect(await gapAnswers()).toEqual(['1 answered 503', '1 answered 503', '1 answered 503, 1 of them after its end']);
  expect(await counts()).toEqual({ requests: 0, failures: 0 });
});

test('a record of a gap that names anybody is refused', async () => {
  await gateway.apply(route(1, '1.1', backends()));
  const { gap } = gapRecord(2, 60_000, 1_000);
  expect(await gateway.apply({ ...route(2, '1.1', backends()), gap: gap as NonNullable<typeof gap> })).toMatchObject({
    applied: false,
    why: 'invalid',
    detail: 'gap: found copies of 1.1 beside it, expected none: nobody serves in a gap',
  });
  expect(await ask()).toMatchObject({ status: 200 });
});
