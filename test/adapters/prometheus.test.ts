import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  prometheus,
  PrometheusAnswerRefused,
  PrometheusUnreachable,
  type PrometheusOptions,
} from '../../adapters/telemetry/prometheus';
import { until } from '../support/poll';
import { prometheusProgram, startPrometheus } from '../support/prometheus-server';
import { removeTemporary } from '../support/temporary';

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(removeTemporary);

async function server(
  answer: (incoming: IncomingMessage, response: ServerResponse, form: string) => void,
): Promise<string> {
  const listening = createServer((incoming, response) => {
    let form = '';
    incoming.on('data', (piece: Buffer) => (form += piece.toString()));
    incoming.on('end', () => answer(incoming, response, form));
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    listening.closeAllConnections();
    listening.close();
  });
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

const matrix = (...result: object[]): string =>
  JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } });
const series = (...values: [number, string][]): object => ({ metric: { job: 'model' }, values });

function range(url: string, options: PrometheusOptions = {}) {
  return prometheus(options).range({ url, query: 'max(wait)' }, 1_000_000, 1_060_000, 15_000);
}

describe('a stand-in that answers as Prometheus does', () => {
  it('is asked for the half-open interval on a grid that does not move with the window', async () => {
    const asked: [string | undefined, string | undefined, string][] = [];
    const url = await server((incoming, response, form) => {
      asked.push([incoming.method, incoming.url, form]);
      response.end(matrix(series([1_005, '2'])));
    });
    expect(await range(url)).toEqual([{ atMs: 1_005_000, value: 2, n: null }]);
    await prometheus().range({ url: `${url}/proxied/`, query: 'up' }, 1_007_000, 1_060_000, 15_000);
    expect(asked).toEqual([
      ['POST', '/api/v1/query_range', 'query=max%28wait%29&start=1005&end=1059.999&step=15'],
      ['POST', '/proxied/api/v1/query_range', 'query=up&start=1020&end=1059.999&step=15'],
    ]);
  });

  it('is never asked for more points than it gives, however long the time', async () => {
    const steps: number[] = [];
    const url = await server((_incoming, response, form) => {
      steps.push(Number(new URLSearchParams(form).get('step')));
      response.end(matrix());
    });
    await prometheus().range({ url, query: 'up' }, 0, 30 * 86_400_000, 1_000);
    expect(steps[0]).toBeGreaterThanOrEqual((30 * 86_400) / 10_000);
  });

  it('gives nothing for a series that is not there, and leaves out NaN and infinities', async () => {
    expect(await range(await server((_incoming, response) => response.end(matrix())))).toEqual([]);
    const holes = series([1_005, 'NaN'], [1_020, '+Inf'], [1_035, '0.5']);
    const url = await server((_incoming, response) => response.end(matrix(holes)));
    expect((await range(url)).map(({ value }) => value)).toEqual([0.5]);
  });

  it.each<[string, (response: ServerResponse) => unknown, new (message: string) => Error, RegExp]>([
    [
      'two series',
      (response) => response.end(matrix(series(), series())),
      PrometheusAnswerRefused,
      /found 2 series, expected one/,
    ],
    [
      'a wrong query',
      (response) => response.writeHead(400).end('{"status":"error","errorType":"bad_data","error":"1:4: parse error"}'),
      PrometheusAnswerRefused,
      /bad_data: 1:4: parse error/,
    ],
    [
      'a query that took too long',
      (response) => response.writeHead(503).end('{"status":"error","errorType":"timeout","error":"query timed out"}'),
      PrometheusUnreachable,
      /timeout: query timed out/,
    ],
    ['a page', (response) => response.end('<html>'), PrometheusAnswerRefused, /nothing that Prometheus would say/],
    ['a failing proxy', (response) => response.writeHead(502).end('<html>'), PrometheusUnreachable, /answered 502/],
    [
      'an endless answer',
      (response) => response.end('x'.repeat(5_000)),
      PrometheusAnswerRefused,
      /longer than 2000 bytes/,
    ],
    ['silence', () => undefined, PrometheusUnreachable, /no whole answer within 200 ms/],
    ['a reset', (response) => response.destroy(), PrometheusUnreachable, /max\(wait\)/],
  ])('is told apart when it answers with %s', async (_, answer, kind, message) => {
    const url = await server((_incoming, response) => answer(response));
    const fault = await range(url, { timeoutMs: 200, limitBytes: 2_000 }).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(kind);
    expect((fault as Error).message).toMatch(message);
  });

  it('that does not run at all is unreachable', async () => {
    await expect(range('http://127.0.0.1:9')).rejects.toBeInstanceOf(PrometheusUnreachable);
  });
});

const program = prometheusProgram();
if (program === null) process.stdout.write('skipped: a real Prometheus (none on PATH); its stand-in was tested\n');

(program === null ? describe.skip : describe)('a real Prometheus', () => {
  jest.setTimeout(60_000);

  it('gives what it scraped, nothing for a series that nobody exports, and a named error for a wrong query', async () => {
    const exporter = await server((_incoming, response) =>
      response.end('queue_wait_ms{copy="1"} 5\nqueue_wait_ms{copy="2"} 7\n'),
    );
    const { url, stop } = await startPrometheus(program as string, new URL(exporter).host);
    closers.push(stop);
    const client = prometheus();
    const found = await until('a scraped value', () => client.now({ url, query: 'max(queue_wait_ms)' }), 30_000);
    expect(found.value).toBe(7);
    const now = Date.now();
    const values = await client.range({ url, query: 'max(queue_wait_ms)' }, now - 60_000, now + 1_000, 1_000);
    expect(values.length).toBeGreaterThan(0);
    expect(new Set(values.map(({ value }) => value))).toEqual(new Set([7]));
    expect(await client.range({ url, query: 'nobody_exports_this' }, now - 60_000, now, 1_000)).toEqual([]);
    expect(await client.now({ url, query: '0 / 0' })).toBeNull();
    await expect(client.now({ url, query: 'up{' })).rejects.toThrow(/bad_data/);
    await expect(client.now({ url, query: 'queue_wait_ms' })).rejects.toThrow(/found 2 series, expected one/);
    await expect(client.range({ url, query: 'max(queue_wait_ms)' }, 0, now, 1_000)).resolves.toBeDefined();
  });
});
