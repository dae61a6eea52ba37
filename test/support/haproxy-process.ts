import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haproxyRouter } from '../../adapters/traffic/haproxy/haproxy';
import { writeHaproxyFiles } from '../../adapters/traffic/haproxy/inspection';
import { configFile, type HaproxyService } from '../../adapters/traffic/haproxy/layout';
import { openMasterCli } from '../../adapters/traffic/haproxy/master-cli';
import type { HaproxyRouterOptions } from '../../adapters/traffic/haproxy/options';
import { until } from './poll';

const found = spawnSync('haproxy', ['-v'], { encoding: 'utf8' });
/** Null where there is none; the tests that need it say so in one line and are skipped. */
export const haproxyVersion = found.status === 0 ? (/version (\S+)/.exec(found.stdout)?.[1] ?? null) : null;

/** `describe`, or with one visible line `describe.skip`. */
export function describeHaproxy(what: string): jest.Describe {
  if (haproxyVersion !== null) return describe;
  process.stdout.write(`skipped: ${what} (no haproxy on PATH; scripts/test-deps/haproxy.sh installs it)\n`);
  return describe.skip;
}

/** A real HAProxy with a master process, on loopback, with the configuration that lastgood writes. */
export class HaproxyProcess {
  readonly directory = mkdtempSync(join(tmpdir(), 'lg-ha-'));
  readonly masterSocket = join(this.directory, 'master.sock');
  readonly options: HaproxyRouterOptions;
  private child: ChildProcess | null = null;
  log = '';

  private constructor(readonly service: HaproxyService) {
    this.options = { directory: this.directory, masterSocket: this.masterSocket, services: [service] };
  }

  static async start(part: Partial<HaproxyService> = {}): Promise<HaproxyProcess> {
    const haproxy = new HaproxyProcess({
      name: 'mail',
      listen: { host: '127.0.0.1', port: await freePort() },
      sessionHeader: 'x-session-id',
      sessionMaxMs: 60_000,
      requestMaxMs: 30_000,
      repeatable: true,
      ...part,
    });
    await writeHaproxyFiles(haproxy.options);
    await haproxy.run();
    return haproxy;
  }

  get address(): string {
    return `http://127.0.0.1:${this.service.listen.port}`;
  }

  router(more: Partial<HaproxyRouterOptions> = {}): ReturnType<typeof haproxyRouter> {
    return haproxyRouter({ ...this.options, ...more });
  }

  /** Also after `kill`: with what lies in the directory. */
  async run(): Promise<void> {
    rmSync(this.masterSocket, { force: true });
    const args = ['-W', '-S', `${this.masterSocket},mode,600`, '-f', configFile(this.directory)];
    const child = spawn('haproxy', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (part: Buffer) => (this.log += part.toString()));
    await until('HAProxy to run', async () => {
      if (child.exitCode !== null) throw new Error(`haproxy ended with ${child.exitCode}: ${this.log}`);
      return existsSync(this.masterSocket) && (await this.workers().catch(() => [])).length > 0;
    });
  }

  async workers(): Promise<{ pid: number; reloads: number }[]> {
    const cli = await openMasterCli(this.masterSocket, 1_000);
    try {
      return await cli.workers();
    } finally {
      cli.close();
    }
  }

  async ask(command: string, worker?: number): Promise<string> {
    const cli = await openMasterCli(this.masterSocket, 1_000);
    try {
      return await cli.ask(worker ?? ((await cli.workers())[0]?.pid as number), command);
    } finally {
      cli.close();
    }
  }

  /** Resolves when another worker is in charge. */
  async reload(): Promise<void> {
    const before = (await this.workers())[0]?.pid;
    this.child?.kill('SIGUSR2');
    await until(
      'the reload',
      async () => {
        const pid = (await this.workers().catch(() => []))[0]?.pid;
        return pid !== undefined && pid !== before;
      },
      30_000,
    );
  }

  /** Master and workers at once. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === null) return;
    const workers = await this.workers().catch(() => []);
    const ended = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', () => resolve());
    });
    child.kill('SIGKILL');
    for (const { pid } of workers) end(pid);
    await ended;
    this.child = null;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  read(file: string): string {
    return readFileSync(join(this.directory, file), 'utf8');
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended with its master.
  }
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
