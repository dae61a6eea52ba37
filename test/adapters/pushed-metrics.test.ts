import { gatewayObservations } from '../../adapters/telemetry/gateway-observations';
import { TelemetryUnreachable } from '../../adapters/telemetry/gateway';
import { MetricUnknown, outsideMetrics, type OutsideSource } from '../../adapters/telemetry/outside-metrics';
import type { Prometheus } from '../../adapters/telemetry/prometheus';
import { startGateway, type GatewayProcess } from '../support/gateway-process';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
jest.setTimeout(30_000);

const prometheusThat: Prometheus = {
  range: async ({ query }, fromMs, toMs, everyMs) => [
    { atMs: fromMs, value: query.length, n: null },
    { atMs: toMs - everyMs, value: 2, n: null },
  ],
  now: () => Promise.reject(new Error('was not stubbed')),
};
const sources: Readonly<Record<string, OutsideSource>> = {
  quality: { from: 'pushed' },
  wait: { from: 'prometheus', url: 'http://127.0.0.1:1', query: 'wait', everyMs: 10 },
};

async function open(): Promise<{ gateway: GatewayProcess; outside: ReturnType<typeof outsideMetrics> }> {
  const pushedMetrics = [{ metric: 'quality', min: 0, max: null }];
  const gateway = await startGateway({ services: [{ name: 'mail', pushed: pushedMetrics }] });
  const pushed = gatewayObservations({ address: { socket: (gateway.config.control as { socket: string }).socket } });
  closers.push(
    () => gateway.kill(),
    () => pushed.close(),
  );
  const outside = outsideMetrics({
    pushed,
    prometheus: prometheusThat,
    sourceOf: (_service, metric) => sources[metric] ?? null,
    wanted: (_service, tool) =>
      tool === 'whylogs' ? [{ name: 'quality', metric: 'ValueDrift', column: 'age', method: 'ks', field: null }] : [],
  });
  return { gateway, outside };
}

const now = Date.now();
const batch = (key: string, value: number) => ({
  key,
  items: [{ metric: 'quality', value, at: new Date(now - 1_000).toISOString(), n: 7 }],
});

it('values that were pushed survive the death of the gateway, once each', async () => {
  const { gateway, outside } = await open();
  expect(await outside.take('mail', batch('a', 3))).toEqual({ taken: true, accepted: 1, late: 0, repeated: false });
  await gateway.kill();
  await expect(outside.take('mail', batch('b', 4))).rejects.toBeInstanceOf(TelemetryUnreachable);
  await expect(outside.values('mail', 'quality', 0, now, 10)).rejects.toBeInstanceOf(TelemetryUnreachable);
  await gateway.start();
  expect(await outside.take('mail', batch('a', 3))).toMatchObject({ repeated: true });
  expect(await outside.values('mail', 'quality', 0, now, 10)).toEqual([{ atMs: now - 1_000, value: 3, n: 7 }]);
});

it('a refusal is a value that names the place, and nothing of it is kept', async () => {
  const { outside } = await open();
  expect(await outside.take('mail', batch('a', -3))).toEqual({
    taken: false,
    problems: ['items.0.value: found -3, expected at least 0'],
  });
  expect(await outside.values('mail', 'quality', 0, now, 10)).toEqual([]);
  await expect(outside.take('nobody', batch('a', 3))).rejects.toThrow(/nobody/);
});

it('a report is taken once for its time, and one that says nothing of the declared metrics is refused', async () => {
  const { outside } = await open();
  const report = { age: { algorithm: 'ks', pvalue: 0.01, statistic: 0.4 } };
  const at = new Date(now - 5_000).toISOString();
  const taken = { taken: true, accepted: 1, late: 0, missing: [] };
  expect(await outside.takeReport('mail', 'whylogs', at, report)).toEqual({ ...taken, repeated: false });
  expect(await outside.takeReport('mail', 'whylogs', at, report)).toEqual({ ...taken, repeated: true });
  expect((await outside.values('mail', 'quality', 0, now, 10)).map(({ value }) => value)).toEqual([2]);
  expect(await outside.takeReport('mail', 'whylogs', at, { city: null })).toMatchObject({
    taken: false,
    problems: [expect.stringMatching(/^report: found no value of quality \(.*as services\.mail\.metrics declares/)],
  });
  expect(await outside.takeReport('mail', 'evidently', at, {})).toMatchObject({
    taken: false,
    problems: [expect.stringContaining('declares no metric with a source of evidently')],
  });
});

it('a metric of Prometheus is read from there, the newest values first to be kept; an undeclared one is a named error', async () => {
  const { outside } = await open();
  expect(await outside.values('mail', 'wait', 1_000, 2_000, 10)).toHaveLength(2);
  expect(await outside.values('mail', 'wait', 1_000, 2_000, 1)).toEqual([{ atMs: 1_990, value: 2, n: null }]);
  await expect(outside.values('mail', 'gone', 0, 1, 1)).rejects.toBeInstanceOf(MetricUnknown);
});

it('Prometheus is asked once an interval however often the values are, and for no longer than the values asked for', async () => {
  const asked: (readonly [fromMs: number, toMs: number])[] = [];
  let fails = true;
  const range: Prometheus['range'] = async (_query, fromMs, toMs) => {
    asked.push([fromMs, toMs]);
    if (fails) throw new Error('down');
    return [{ atMs: toMs - 1, value: asked.length, n: null }];
  };
  const outside = outsideMetrics({
    pushed: gatewayObservations({ address: { socket: '/nowhere' } }),
    prometheus: { ...prometheusThat, range },
    sourceOf: (_service, metric) =>
      metric === 'wait' ? { from: 'prometheus', url: '', query: '', everyMs: 15_000 } : null,
    wanted: () => [],
  });
  const read = async (toMs: number) =>
    (await outside.values('mail', 'wait', toMs - 600_000, toMs, 50)).map(({ value }) => value);
  await expect(read(1_200_001)).rejects.toThrow('down');
  fails = false;
  expect(await read(1_200_001)).toEqual([2]);
  expect(await read(1_202_500)).toEqual([2]);
  expect(await read(1_215_000)).toEqual([2]);
  expect(await read(1_215_001)).toEqual([3]);
  // Ten minutes at this interval are 40 values; a day would be 5,760.
  await outside.values('mail', 'wait', 0, 86_400_000, 50);
  expect(asked.at(-1)).toEqual([86_400_000 - 50 * 15_000, 86_400_000]);
});
