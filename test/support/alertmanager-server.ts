import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { freePort } from './haproxy-process';
import { until } from './poll';
import { temporaryDirectory } from './temporary';

const PROGRAM = 'prometheus-alertmanager';

/** `describe`, or with one visible line `describe.skip`. */
export function describeAlertmanager(what: string): jest.Describe {
  if (spawnSync(PROGRAM, ['--version']).status === 0) return describe;
  process.stdout.write(`skipped: ${what} (no ${PROGRAM} on PATH; scripts/test-deps/prometheus.sh installs it)\n`);
  return describe.skip;
}

export interface AlertmanagerServer {
  readonly url: string;
  /** As Prometheus would: the alert fires until `endsInMs` from now; negative ends it. */
  fire(labels: Readonly<Record<string, string>>, endsInMs: number): Promise<void>;
  call(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

/** A real Alertmanager alone, on loopback, which tells `webhook` of every change at once. */
export async function startAlertmanager(webhook: string): Promise<AlertmanagerServer> {
  const directory = temporaryDirectory('alertmanager');
  const config = join(directory, 'alertmanager.yml');
  writeFileSync(
    config,
    `route: { receiver: lastgood, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, group_by: ['...'] }
receivers: [{ name: lastgood, webhook_configs: [{ url: '${webhook}', send_resolved: true }] }]
`,
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    PROGRAM,
    [
      `--config.file=${config}`,
      `--storage.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const call: AlertmanagerServer['call'] = async (method, path, body) => {
    const sent =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer = await request(`${url}${path}`, { method, ...sent });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${text}`);
    return text === '' ? null : (JSON.parse(text) as unknown);
  };
  await until(
    'a ready Alertmanager',
    () =>
      call('GET', '/api/v2/status').then(
        () => true,
        () => false,
      ),
    20_000,
  );
  return {
    url,
    call,
    fire: async (labels, endsInMs) => {
      const now = Date.now();
      const times = {
        startsAt: new Date(now - 60_000).toISOString(),
        endsAt: new Date(now + endsInMs).toISOString(),
      };
      await call('POST', '/api/v2/alerts', [{ labels, ...times }]);
    },
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
