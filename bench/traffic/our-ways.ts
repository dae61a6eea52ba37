import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrafficRouter } from '../../activities/ports';
import { gatewayRouter } from '../../adapters/traffic/gateway';
import { haproxyRouter } from '../../adapters/traffic/haproxy/haproxy';
import { writeHaproxyFiles } from '../../adapters/traffic/haproxy/inspection';
import type { HaproxyRouterOptions } from '../../adapters/traffic/haproxy/options';
import type { Backend, RouteRecord } from '../../domain/route';
import { NotMeasured } from '../report';
import type { Server } from './servers';
import { SESSION_MAX_MS, type Way, type WayName } from './way';

const SERVICE = 'mail';
const START_MS = 10_000;
const REQUEST_MAX_MS = 30_000;

/** The gateway with its shipped defaults: answer record, pins and telemetry on. */
export async function gatewayWay(): Promise<Way> {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-bench-gw-'));
  const socket = join(directory, 'control.sock');
  const reportFile = join(directory, 'report.json');
  const configFile = join(directory, 'gateway.json');
  const service = {
    name: SERVICE,
    listen: { host: '127.0.0.1', port: 0 },
    sessionHeader: 'x-session-id',
    sessionMaxMs: SESSION_MAX_MS,
    firstByteMs: 10_000,
    requestMaxMs: REQUEST_MAX_MS,
    repeatable: true,
    replayLimitBytes: 1_048_576,
    answer: { classPath: 'outputs[name=label].data[0]' },
    samples: { share: 0, maxCount: 5_000, maxAgeMs: 604_800_000, redactFields: [] },
    feedbackHorizonMs: 604_800_000,
    answerRetentionDays: 90,
  };
  const control = { socket };
  const metrics = { host: '127.0.0.1', port: 0 };
  writeFileSync(configFile, JSON.stringify({ dataDir: directory, control, metrics, reportFile, services: [service] }));
  const main = join(__dirname, '..', '..', 'gateway', 'main.js');
  const child = spawn(process.execPath, [main, '--config', configFile], { stdio: ['ignore', 'ignore', 'inherit'] });
  await until('the gateway', child, () => existsSync(reportFile));
  const { addresses } = JSON.parse(await readFile(reportFile, 'utf8')) as { addresses: Record<string, string> };
  return routed('gateway', gatewayRouter({ address: { socket } }), addresses[SERVICE] ?? '', () => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
}

/** A HAProxy with the configuration that `lastgood haproxy config` writes. */
export async function haproxyWay(): Promise<Way> {
  const directory = mkdtempSync(join(tmpdir(), 'lg-bench-ha-'));
  const masterSocket = join(directory, 'master.sock');
  const listen = { host: '127.0.0.1', port: await freePort() };
  const options: HaproxyRouterOptions = {
    directory,
    masterSocket,
    services: [
      {
        name: SERVICE,
        listen,
        sessionHeader: 'x-session-id',
        sessionMaxMs: SESSION_MAX_MS,
        requestMaxMs: REQUEST_MAX_MS,
        repeatable: true,
      },
    ],
  };
  const { file } = await writeHaproxyFiles(options);
  const args = ['-W', '-S', `${masterSocket},mode,600`, '-f', file];
  const child = spawn('haproxy', args, { stdio: 'ignore' });
  const router = haproxyRouter(options);
  await until('haproxy', child, () => existsSync(masterSocket));
  await until('its worker', child, () => router.read(SERVICE).then(() => true));
  return routed('haproxy', router, `http://127.0.0.1:${listen.port}`, () => {
    // The worker ends with its master.
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 500).unref();
    rmSync(directory, { recursive: true, force: true });
  });
}

function routed(
  name: WayName,
  router: TrafficRouter & { close(): Promise<void> },
  entrance: string,
  end: () => void,
): Way {
  let epoch = 0;
  return {
    name,
    pins: true,
    entrance,
    async move({ primary, standby, pins }) {
      epoch += 1;
      const servers = [primary, ...(standby ? [standby] : []), ...(pins ? [pins.server] : [])];
      const record: RouteRecord = {
        service: SERVICE,
        epoch,
        primary: primary.version,
        pins: pins === null ? [] : [{ version: pins.server.version, until: pins.until }],
        ...(standby !== null && { fallback: standby.version }),
        backends: Object.fromEntries(servers.map((server) => [server.version, [backendOf(server)]])),
      };
      const answer = await router.apply(record);
      if (!answer.applied) throw new NotMeasured(`${name} refused epoch ${epoch}: ${answer.why}, ${answer.detail}`);
    },
    async stop() {
      await router.close();
      end();
    },
  };
}

function backendOf({ version, address }: Server): Backend {
  return { address, instance: `${SERVICE}@${version}#bench`, digest: `sha256:${version}` };
}

/** @throws NotMeasured when it ends or does not come about in time */
export async function until(what: string, child: ChildProcess, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + START_MS; performance.now() < deadline;) {
    if (child.exitCode !== null) throw new NotMeasured(`${what} ended with ${child.exitCode}`);
    if (await Promise.resolve(holds()).catch(() => false)) return;
    await new Promise((resume) => setTimeout(resume, 20));
  }
  throw new NotMeasured(`${what} was not there within ${START_MS / 1_000} s`);
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
