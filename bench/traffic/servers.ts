import { join } from 'node:path';
import { Client } from 'undici';
import { Child } from '../gateway-parts/processes';
import { NotMeasured } from '../report';
import { monotonicMs } from './records';

const PROBE_MS = 5;

/** One running version. */
export class Server {
  private constructor(
    readonly version: string,
    readonly port: number,
    private readonly child: Child,
  ) {}

  /** It listens when this resolves; it is ready `readyAfterMs` later. */
  static async start(version: string, readyAfterMs = 0): Promise<Server> {
    const child = new Child([join(__dirname, 'model-server.js'), version, String(readyAfterMs)]);
    const { port } = await child.next<{ port: number }>();
    return new Server(version, port, child);
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Asks each {@link PROBE_MS}; the moment of the first 200. */
  async ready(): Promise<number> {
    const client = new Client(this.address);
    try {
      for (const until = monotonicMs() + 30_000; monotonicMs() < until;) {
        const { statusCode, body } = await client.request({ method: 'GET', path: '/ready' });
        await body.dump();
        if (statusCode === 200) return monotonicMs();
        await new Promise((resume) => setTimeout(resume, PROBE_MS));
      }
      throw new NotMeasured(`version ${this.version} was not ready within 30 s`);
    } finally {
      await client.destroy();
    }
  }

  kill(): void {
    this.child.end();
  }
}
