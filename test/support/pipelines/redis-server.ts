import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PipelineRedis } from '../../../adapters/pipelines/redis-client';
import { freePort } from '../haproxy-process';
import { until } from '../poll';

/** `describe`, or with one visible line `describe.skip`. */
export function describeRedis(what: string): jest.Describe {
  if (!spawnSync('redis-server', ['--version']).error) return describe;
  process.stdout.write(`skipped: ${what} (no redis-server: scripts/test-deps/redis.sh installs it)\n`);
  return describe.skip;
}

/** A real Redis on a loopback port that keeps what it acknowledged on disk. */
export class RedisOnDisk {
  private child: ChildProcess | null = null;
  private readonly directory = mkdtempSync(join(tmpdir(), 'lastgood-redis-'));
  private constructor(readonly port: number) {}

  static async start(): Promise<RedisOnDisk> {
    const server = new RedisOnDisk(await freePort());
    await server.run();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async run(): Promise<void> {
    const where = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory];
    const disk = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
    this.child = spawn('redis-server', [...where, ...disk], { stdio: 'ignore' });
    const client = new PipelineRedis({ url: this.url, user: null, passwordFile: null });
    const answers = (): Promise<boolean> =>
      client.ask(['PING']).then(
        () => true,
        () => false,
      );
    await until('Redis', answers, 60_000);
    await client.close();
  }

  async kill(): Promise<void> {
    const { child } = this;
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    child?.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
