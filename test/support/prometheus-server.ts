import { spawn } from 'node:child_process';
import { accessSync, constants, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { request } from 'undici';
import { temporaryDirectory } from './temporary';
import { until } from './poll';

/** `prometheus` on PATH; null where this machine has none. */
export function prometheusProgram(): string | null {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(directory, 'prometheus');
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // The next directory may have it.
    }
  }
  return null;
}

/** A real Prometheus that scrapes `target` (host:port, one or several) each second. */
export async function startPrometheus(
  program: string,
  target: string | readonly string[],
): Promise<{ url: string; stop(): Promise<void> }> {
  const directory = temporaryDirectory('prometheus');
  const config = join(directory, 'prometheus.yml');
  writeFileSync(
    config,
    `global: { scrape_interval: 1s }\nscrape_configs: [{ job_name: model, static_configs: [{ targets: [${[target]
      .flat()
      .map((one) => `'${one}'`)
      .join(', ')}] }] }]\n`,
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    program,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ready = async (): Promise<boolean> => {
    const answer = await request(`${url}/-/ready`).catch(() => null);
    await answer?.body.dump();
    return answer?.statusCode === 200;
  };
  await until('a ready Prometheus', ready, 20_000);
  return {
    url,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
