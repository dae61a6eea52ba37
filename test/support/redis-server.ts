import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisAddress } from '../../adapters/caches/redis-connection';
import { freePort } from './haproxy-process';
import { until } from './poll';

function missing(): string | null {
  const { error, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (error) return 'no redis-server (scripts/test-deps/redis.sh installs it)';
  return / v=7\./.test(stdout) ? null : `found ${stdout.trim()}, expected 7.x`;
}

/** `describe`, or with one visible line `describe.skip`. */
export function describeRedis(what: string): jest.Describe {
  const why = missing();
  if (why === null) return describe;
  process.stdout.write(`skipped: ${what} (${why})\n`);
  return describe.skip;
}

/** A real Redis on a loopback port, without a disk. */
export class RedisServer {
  private child: ChildProcess | null = null;
  private readonly directory = mkdtempSync(join(tmpdir(), 'lastgood-redis-'));

  private constructor(
    readonly port: number,
    private readonly password: string | null,
  ) {}

  static async start(options: { readonly password?: string } = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), options.password ?? null);
    await server.run();
    return server;
  }

  get address(): RedisAddress {
    const { port, password } = this;
    return {
      host: '127.0.0.1',
      port,
      database: 0,
      user: null,
      password: password === null ? null : () => password,
      tls: null,
    };
  }

  async run(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const secret = this.password === null ? [] : ['--requirepass', this.password];
    const child = spawn('redis-server', [...args, ...secret, '--dir', this.directory], { stdio: 'ignore' });
    this.child = child;
    await until('Redis', () => {
      if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
      return accepts(this.port);
    });
  }

  /** It keeps its connections and answers nobody. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  async crash(): Promise<void> {
    const { child } = this;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.crash();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
