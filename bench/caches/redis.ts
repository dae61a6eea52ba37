import { spawn, type ChildProcess } from 'node:child_process';
import { createConnection, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { NotMeasured } from '../report';

/** A real Redis on a free loopback port, without a disk. */
export class Redis {
  private constructor(
    readonly port: number,
    private readonly child: ChildProcess,
  ) {}

  /** @throws NotMeasured where there is none */
  static async start(): Promise<Redis> {
    const port = await freePort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const child = spawn('redis-server', args, { stdio: 'ignore' });
    const failed = new Promise<never>((_, reject) => {
      child.once('error', () => reject(new NotMeasured('no redis-server; scripts/test-deps/redis.sh installs it')));
      child.once('exit', (code) => reject(new NotMeasured(`redis-server ended with ${code}`)));
    });
    failed.catch(() => undefined);
    const up = async (): Promise<void> => {
      while (!(await accepts(port))) await pause(20);
    };
    await Promise.race([up(), failed]);
    return new Redis(port, child);
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
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
