import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'undici';
import type { GatewayConfig } from '../gateway/protocol';
import type { LoadResult } from './gateway-parts/load';
import { Child, cpuUs, rssMib } from './gateway-parts/processes';
import { BadUse, median, medianRow, missingRow, NotMeasured, row, type Bench, type Row } from './report';

const ROUNDS = 7;
const CONNECTIONS = 32;
const REQUESTS_MIN = 5_000;
const STREAMS = 20;

/** The shipped defaults with everything on: answer record, sampling, pins, class and score, a follower of the telemetry. */
function config(dataDir: string): GatewayConfig {
  return {
    dataDir,
    control: { socket: join(dataDir, 'control.sock') },
    metrics: { host: '127.0.0.1', port: 0 },
    reportFile: join(dataDir, 'report.json'),
    services: [
      {
        name: 'mail',
        listen: { host: '127.0.0.1', port: 0 },
        sessionHeader: 'x-session-id',
        sessionMaxMs: 3_600_000,
        firstByteMs: 1_000,
        requestMaxMs: 300_000,
        repeatable: true,
        replayLimitBytes: 65_536,
        answer: { classPath: 'outputs[name=label].data[0]', scorePath: 'outputs[name=score].data[0]' },
        samples: { share: 0.01, maxCount: 5_000, maxAgeMs: 7 * 86_400_000, redactFields: ['email'] },
        feedbackHorizonMs: 7 * 86_400_000,
        answerRetentionDays: 90,
      },
    ],
  };
}

interface Measured extends LoadResult {
  readonly cpuUs: number;
}

/** CPU, throughput and latency of the gateway beside a bare proxy, in alternating runs. `--seconds N` a run (4). */
export const bench: Bench = async ({ more, say }) => {
  const [unknown] = Object.keys(more).filter((name) => name !== 'seconds');
  if (unknown !== undefined) throw new BadUse(`--${unknown}: unknown, expected --seconds`);
  const seconds = Number(more['seconds'] ?? 4);
  if (!(seconds > 0)) throw new BadUse(`--seconds: found ${more['seconds']}, expected a number above 0`);
  const dataDir = mkdtempSync(join(tmpdir(), 'lastgood-bench-'));
  const children: Child[] = [];
  const start = (...args: string[]): Child => {
    const child = new Child(args);
    children.push(child);
    return child;
  };
  try {
    const upstream = await start(join(__dirname, 'gateway-parts/upstream.js')).next<{ port: number }>();
    const bareChild = start(join(__dirname, 'peers/bare-undici.js'), `http://127.0.0.1:${upstream.port}`);
    const bare = { pid: bareChild.pid, port: (await bareChild.next<{ port: number }>()).port };
    writeFileSync(join(dataDir, 'gateway.json'), JSON.stringify(config(dataDir)));
    const gatewayChild = start(join(__dirname, '../gateway/main.js'), '--config', join(dataDir, 'gateway.json'));
    const ours = { pid: gatewayChild.pid, port: await portOf(join(dataDir, 'report.json')) };
    const control = new Client('http://control', { socketPath: join(dataDir, 'control.sock'), bodyTimeout: 0 });
    await applyRoute(control, 1, upstream.port);
    const follower = follow(join(dataDir, 'control.sock'));
    const client = start(join(__dirname, 'gateway-parts/load.js'));

    const measure = async (
      target: { pid: number; port: number },
      ms: number,
      connections = CONNECTIONS,
    ): Promise<Measured> => {
      const before = cpuUs(target.pid);
      const result = await client.ask<LoadResult>({ do: 'load', port: target.port, connections, ms });
      return { ...result, cpuUs: (cpuUs(target.pid) - before) / Math.max(result.requests, 1) };
    };

    await measure(bare, 2_000);
    await measure(ours, 2_000);
    const runs: { ours: Measured; bare: Measured }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      // The order changes with each round: what drifts on the machine falls on both.
      const first = round % 2 === 0;
      const one = await measure(first ? ours : bare, seconds * 1_000);
      const other = await measure(first ? bare : ours, seconds * 1_000);
      const run = first ? { ours: one, bare: other } : { ours: other, bare: one };
      runs.push(run);
      say(
        `round ${round + 1}: gateway ${run.ours.cpuUs.toFixed(1)} µs, bare ${run.bare.cpuUs.toFixed(1)} µs a request`,
      );
    }
    const rss = rssMib(ours.pid);
    const added = await addedLatency(measure, ours, { pid: process.pid, port: upstream.port }, bare);
    const streaming = client.ask<{ whole: number; broken: number }>({ do: 'streams', port: ours.port, count: STREAMS });
    await sleep(400);
    await applyRoute(control, 2, upstream.port);
    const streams = await streaming;
    follower.stop();
    await control.destroy();
    return { policy: config('DIR').services[0], rows: rowsOf(runs, added, streams.broken, rss) };
  } finally {
    for (const child of children) child.end();
    rmSync(dataDir, { recursive: true, force: true });
  }
};

interface Added {
  readonly ours: number[];
  readonly bare: number[];
}

function rowsOf(runs: readonly { ours: Measured; bare: Measured }[], added: Added, broken: number, rss: number): Row[] {
  const of = (key: 'cpuUs' | 'p50' | 'p99'): { ours: number[]; peers: Record<string, number> } => ({
    ours: runs.map((run) => run.ours[key]),
    peers: { 'bare-undici': round3(median(runs.map((run) => run.bare[key]))) },
  });
  const rps = (each: Measured): number => (each.requests / each.elapsedMs) * 1_000;
  const bad = runs.reduce((sum, run) => sum + run.ours.bad, 0);
  const requests = runs.reduce((sum, run) => sum + run.ours.requests, 0);
  const streams = row('stream.broken', 'streams', broken, [broken], { better: 'zero' });
  const size = row('rss.mib', 'MiB', rss);
  if (requests < REQUESTS_MIN || bad > 0) {
    const why =
      bad > 0 ? `${bad} of ${requests} requests failed` : `${requests} requests, at least ${REQUESTS_MIN} are needed`;
    const names = [['cpu.us', 'µs'], ['cpu.ratio', ''], ['rps', '1/s'], ['p50', 'ms'], ['p99', 'ms'], ['added.p50', 'ms']] as const; // prettier-ignore
    return [...names.map(([name, unit]) => missingRow(name, unit, why)), streams, size];
  }
  const cpu = of('cpuUs');
  const ratios = runs.map((run) => run.ours.cpuUs / run.bare.cpuUs);
  const barePeers = { 'bare-undici': round3(median(runs.map((run) => rps(run.bare)))) };
  return [
    medianRow('cpu.us', 'µs', cpu.ours, { peers: cpu.peers }),
    medianRow('cpu.ratio', '', ratios, { target: 1.25 }),
    medianRow('rps', '1/s', runs.map((run) => rps(run.ours)), { better: 'higher', peers: barePeers }), // prettier-ignore
    medianRow('p50', 'ms', of('p50').ours, { peers: of('p50').peers }),
    medianRow('p99', 'ms', of('p99').ours, { peers: of('p99').peers }),
    medianRow('added.p50', 'ms', added.ours, { peers: { 'bare-undici': round3(median(added.bare)) } }),
    streams,
    size,
  ];
}

/** One request at a time through each way, in alternation with direct calls: what the way itself adds. */
async function addedLatency(
  measure: (target: { pid: number; port: number }, ms: number, connections?: number) => Promise<Measured>,
  ours: { pid: number; port: number },
  upstream: { pid: number; port: number },
  bare: { pid: number; port: number },
): Promise<Added> {
  const added: Added = { ours: [], bare: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const alone = await measure(upstream, 500, 1);
    added.ours.push((await measure(ours, 500, 1)).p50 - alone.p50);
    added.bare.push((await measure(bare, 500, 1)).p50 - alone.p50);
  }
  return added;
}

async function portOf(reportFile: string): Promise<number> {
  for (let tries = 0; tries < 500; tries += 1) {
    try {
      const { addresses } = JSON.parse(readFileSync(reportFile, 'utf8')) as { addresses: Record<string, string> };
      return Number(new URL(addresses['mail'] ?? '').port);
    } catch {
      await sleep(20);
    }
  }
  throw new NotMeasured('the gateway did not start within 10 s');
}

async function applyRoute(control: Client, epoch: number, port: number): Promise<void> {
  const instance = `mail@1#${epoch}`;
  const backends = { '1': [{ address: `http://127.0.0.1:${port}`, instance, digest: 'sha256:bench' }] };
  const record = { service: 'mail', epoch, primary: '1', pins: [], backends };
  const path = '/control/v1/services/mail/route';
  const { statusCode, body } = await control.request({ method: 'PUT', path, body: JSON.stringify(record) });
  const text = await body.text();
  if (statusCode !== 200) throw new NotMeasured(`the route was refused: ${text}`);
}

function follow(socketPath: string): { stop(): void } {
  const client = new Client('http://control', { socketPath, bodyTimeout: 0 });
  client
    .request({ method: 'GET', path: '/control/v1/services/mail/telemetry?after=0&follow=1' })
    .then(({ body }) => body.on('error', () => undefined).resume())
    .catch(() => undefined);
  return { stop: () => void client.destroy() };
}

function round3(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
