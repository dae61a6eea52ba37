import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RouterState } from '../../gateway/protocol';
import { EngineLook, watchEngines, type EngineGroup } from '../../adapters/telemetry/engine-metrics';
import { ExpositionRefused, readExposition } from '../../adapters/telemetry/exposition';
import { gatewayObservations, type GatewayObservations } from '../../adapters/telemetry/gateway-observations';
import { outsideMetrics } from '../../adapters/telemetry/outside-metrics';
import { prometheus } from '../../adapters/telemetry/prometheus';
import type { EngineQuery } from '../../domain/detection/engine-reading';
import { startGateway } from '../support/gateway-process';
import { until } from '../support/poll';

jest.setTimeout(30_000);
const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A serving copy that shows what `text` says now. */
async function engine(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const vllm = (done: number, aborted: number, waiting: number, slow: number): string => `
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} ${waiting}.0
# HELP vllm:request_success_total Count of successfully processed requests.
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m \\"quoted\\" }{"} ${done}.0
vllm:request_success_total{engine="0",finished_reason="abort",model_name="m"} ${aborted}.0
# TYPE vllm:request_success_created gauge
vllm:request_success_created{engine="0",finished_reason="stop",model_name="m"} 1.7e+09
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="m"} ${done}
vllm:time_to_first_token_seconds_bucket{engine="0",le="1.0",model_name="m"} ${done + slow}
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} ${done + slow}
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} ${done + slow}
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} ${done * 0.05 + slow * 0.5}
`;

const query = (name: string, read: EngineQuery['read'], labels: EngineQuery['labels'] = {}): EngineQuery => ({
  name,
  labels,
  read,
  missing: 'unmeasured',
});
const unbounded = { min: null, max: null };
const metrics: EngineGroup['metrics'] = [
  { metric: 'waiting', query: query('vllm:num_requests_waiting', { how: 'auto' }), ...unbounded },
  { metric: 'served', query: query('vllm:request_success_total', { how: 'auto' }), ...unbounded },
  {
    metric: 'aborts',
    query: query(
      'vllm:request_success_total',
      { how: 'ratio', per: { name: 'vllm:request_success_total', labels: {} } },
      { finished_reason: 'abort' },
    ),
    min: 0,
    max: 1,
  },
  { metric: 'ttft', query: query('vllm:time_to_first_token_seconds', { how: 'auto' }), ...unbounded },
  { metric: 'ttft-p95', query: query('vllm:time_to_first_token_seconds', { how: 'quantile', q: 0.95 }), ...unbounded },
];
const group: EngineGroup = { service: 'mail', everyMs: 10_000, path: '/metrics', port: null, metrics };

function routerTo(addresses: readonly string[], fallback: RouterState['fallback'] = null) {
  const backends = { '1.1': addresses.map((address, at) => ({ address, instance: `mail@1.1#${at}`, digest: 'd' })) };
  const record = { service: 'mail', epoch: 1, primary: '1.1', pins: [], backends };
  const state = { service: 'mail', floor: 1, inForceSince: 0, inFlight: {}, pinned: {}, lastSeq: 0 };
  return { read: async (): Promise<RouterState> => ({ ...state, record, fallback }) };
}

async function storeOfGateway(): Promise<GatewayObservations> {
  const pushed = metrics.map(({ metric, min, max }) => ({ metric, min, max, keptMs: 86_400_000 }));
  const gateway = await startGateway({ services: [{ name: 'mail', pushed }] });
  const store = gatewayObservations({ address: { socket: (gateway.config.control as { socket: string }).socket } });
  closers.push(
    () => gateway.kill(),
    () => store.close(),
  );
  return store;
}

const never = new AbortController().signal;
// The begin of an interval, a while ago.
const startMs = Math.floor((Date.now() - 60_000) / 10_000) * 10_000;

test('what the copies tell becomes values of the service, kept by the gateway, each look once', async () => {
  const told = [vllm(100, 0, 2, 0), vllm(500, 10, 4, 0)];
  const addresses = await Promise.all([0, 1].map((at) => engine((_, response) => response.end(told[at]))));
  const store = await storeOfGateway();
  const look = new EngineLook(group, { router: routerTo(addresses), store });
  expect(await look.look(startMs + 500, never)).toEqual([]);
  told[0] = vllm(160, 0, 6, 20);
  told[1] = vllm(530, 20, 8, 0);
  expect(await look.look(startMs + 10_500, never)).toEqual([]);
  const of = async (metric: string) => await store.values('mail', metric, startMs, startMs + 60_000, 10);
  expect(await of('waiting')).toEqual([
    { atMs: startMs, value: 3, n: null },
    { atMs: startMs + 10_000, value: 7, n: null },
  ]);
  // Counters say nothing at the first look.
  expect(await of('served')).toEqual([{ atMs: startMs + 10_000, value: 10, n: null }]);
  expect(await of('aborts')).toEqual([{ atMs: startMs + 10_000, value: 0.1, n: 100 }]);
  expect((await of('ttft'))[0]).toMatchObject({ n: 110 });
  expect((await of('ttft'))[0]?.value).toBeCloseTo((90 * 0.05 + 20 * 0.5) / 110, 10);
  expect((await of('ttft-p95'))[0]?.value).toBeGreaterThan(0.1);

  // A second controller that looks in the same interval changes nothing, and it is no problem.
  told[0] = vllm(999, 0, 99, 0);
  expect(await new EngineLook(group, { router: routerTo(addresses), store }).look(startMs + 11_000, never)).toEqual([]);
  expect(await of('waiting')).toHaveLength(2);

  // A copy that began anew is told by its counters.
  told[0] = vllm(20, 0, 1, 0);
  told[1] = vllm(530, 20, 1, 0);
  await look.look(startMs + 20_500, never);
  expect((await of('served')).at(-1)).toEqual({ atMs: startMs + 20_000, value: 2, n: null });
});

test('values of the copies cannot be pushed by others, and are read like every other metric', async () => {
  const store = await storeOfGateway();
  const outside = outsideMetrics({
    pushed: store,
    prometheus: prometheus(),
    sourceOf: (_service, metric) => ({ from: metric === 'waiting' ? 'engine' : 'pushed' }),
    wanted: () => [],
  });
  const items = [{ metric: 'waiting', value: 0, at: new Date(startMs).toISOString() }];
  expect(await outside.take('mail', { key: 'k', items })).toEqual({
    taken: false,
    problems: [
      'items.0.metric: found "waiting", which lastgood reads itself (from the serving copies, or an Alertmanager)',
    ],
  });
  expect(await store.take('mail', { key: 'engine/1', items })).toMatchObject({ taken: true });
  expect(await outside.values('mail', 'waiting', startMs, startMs + 1, 5)).toMatchObject([{ value: 0 }]);
});

describe('a look', () => {
  const taken = (into: unknown[]) => ({
    take: async (_service: string, batch: unknown) => {
      into.push(batch);
      return { taken: true as const, accepted: 1, late: 0, repeated: false };
    },
  });

  test.each<[string, RequestListener, RegExp]>([
    ['an endless answer', (_, response) => response.end('x 1\n'.repeat(2_000)), /longer than 2000 bytes/],
    ['silence', () => undefined, /no whole answer within 100 ms/],
    ['an error', (_, response) => response.writeHead(503).end(), /\/metrics: answered 503/],
    ['a page', (_, response) => response.end('<html><body>hello</body></html>'), /found the line "<html>/],
    ['nothing', (_, response) => response.end(), /found nothing, expected metrics/],
    ['a reset', (_, response) => response.destroy(), /127\.0\.0\.1:\d+\/metrics: /],
  ])('takes %s for no measurement, and says where', async (_, answer, problem) => {
    const kept: unknown[] = [];
    const limits = { timeoutMs: 100, limitBytes: 2_000 };
    const look = new EngineLook(group, { router: routerTo([await engine(answer)]), store: taken(kept) }, limits);
    const [found] = await look.look(startMs, never);
    expect(found).toMatch(problem);
    expect(found).toMatch(/^mail@1\.1#0: /);
    expect(kept).toEqual([]);
  });

  test('goes to the port and the path that are named, and asks nobody while the fallback answers', async () => {
    const asked: (string | undefined)[] = [];
    const address = await engine((incoming, response) => {
      asked.push(incoming.url);
      response.end(vllm(1, 0, 1, 0));
    });
    const port = Number(new URL(address).port);
    const elsewhere = { ...group, path: '/internal/metrics', port };
    const kept: unknown[] = [];
    const router = routerTo(['http://127.0.0.1:1']);
    await new EngineLook(elsewhere, { router, store: taken(kept) }).look(startMs, never);
    expect(asked).toEqual(['/internal/metrics']);
    expect(kept).toHaveLength(1);
    const onFallback = routerTo([address], { version: '1.0', sinceMs: 1 } as unknown as RouterState['fallback']);
    expect(await new EngineLook(group, { router: onFallback, store: taken(kept) }).look(startMs, never)).toEqual([]);
    expect([asked.length, kept.length]).toEqual([1, 1]);
  });

  test('leaves out an increase over a gap, and a value that its kind cannot be', async () => {
    let told = vllm(100, 0, 2, 0);
    const address = await engine((_, response) => response.end(told));
    const kept: { items: { metric: string }[] }[] = [];
    const impossible = { ...group, metrics: metrics.map((each) => ({ ...each, max: 1 })) };
    const look = new EngineLook(impossible, { router: routerTo([address]), store: taken(kept) });
    expect(await look.look(startMs, never)).toEqual(['waiting: found 2, which its kind cannot be']);
    told = vllm(200, 0, 1, 0);
    await look.look(startMs + 60_000, never);
    expect(kept.map(({ items }) => items.map(({ metric }) => metric))).toEqual([['waiting']]);
  });
});

test('looks come at the interval until they are ended, and a trouble is told once', async () => {
  const kept: number[] = [];
  const said: (readonly string[])[] = [];
  let works = false;
  const address = await engine((_, response) => {
    if (works) response.end(vllm(1, 0, 1, 0));
    else response.writeHead(500).end();
  });
  const store = {
    take: async () => {
      kept.push(Date.now());
      return { taken: true as const, accepted: 1, late: 0, repeated: false };
    },
  };
  const watch = watchEngines([{ ...group, everyMs: 200 }], { router: routerTo([address]), store }, (_, problems) =>
    said.push(problems),
  );
  await new Promise((resolve) => setTimeout(resolve, 700));
  works = true;
  await until('values', () => kept.length >= 3);
  await watch.close();
  const ended = kept.length;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(kept).toHaveLength(ended);
  expect(said).toEqual([[expect.stringContaining('answered 500')], []]);
});

describe('the text of metrics', () => {
  test('of Triton and TGI is read: counters with labels, summaries, exponents, time stamps', () => {
    const text = `# HELP nv_inference_request_duration_us Cumulative inference request duration in microseconds
# TYPE nv_inference_request_duration_us counter
nv_inference_request_duration_us{model="tiny",version="1"} 1.5e+06 1700000000000
# TYPE tgi_request_duration summary
tgi_request_duration{quantile="0.5"} 0.25
tgi_request_duration_sum 12.5
tgi_request_duration_count 50 # {trace_id="a"} 1
# TYPE tgi_queue_size gauge
tgi_queue_size NaN
other{a="b"} not-a-number
# EOF
`;
    const wanted = new Set(['nv_inference_request_duration_us', 'tgi_request_duration', 'tgi_queue_size']);
    const { series, types } = readExposition(text, wanted, 5);
    expect(series).toEqual([
      { name: 'nv_inference_request_duration_us', labels: { model: 'tiny', version: '1' }, value: 1_500_000 },
      { name: 'tgi_request_duration', labels: { quantile: '0.5' }, value: 0.25 },
      { name: 'tgi_request_duration_sum', labels: {}, value: 12.5 },
      { name: 'tgi_request_duration_count', labels: {}, value: 50 },
      { name: 'tgi_queue_size', labels: {}, value: NaN },
    ]);
    expect([...types.values()]).toEqual(['counter', 'summary', 'gauge']);
  });

  test.each(['x{a="b} 1', 'x{a=b} 1', 'x 1 2 3 4', 'x', 'x one'])(
    'with the line %s is refused with that line',
    (line) => {
      expect(() => readExposition(`y 1\n${line}\n`, new Set(['x']), 0)).toThrow(ExpositionRefused);
    },
  );

  test('with labels without an end is refused', () => {
    const text = Array.from({ length: 20_001 }, (_, at) => `x{user="${at}"} 1`).join('\n');
    expect(() => readExposition(text, new Set(['x']), 0)).toThrow(/more than 20000 series of x/);
  });
});
