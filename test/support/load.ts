import { Pool } from 'undici';

export interface Answered {
  readonly id: string;
  readonly version: string;
  readonly status: number;
  readonly sentAt: number;
  readonly ms: number;
}

/** What a load counted: every request that was sent is in one of the two. */
export interface Tally {
  readonly answered: Answered[];
  readonly lost: { readonly sentAt: number; readonly error: string }[];
}

export interface LoadOptions {
  readonly clients: number;
  readonly pauseMs?: number;
  readonly path?: string;
  readonly method?: 'GET' | 'POST';
  readonly body?: string;
  readonly headers?: (client: number) => Record<string, string>;
}

/** Closed-loop clients against one address that count every request. `stop` ends them after their current request. */
export class Load {
  readonly tally: Tally = { answered: [], lost: [] };
  private running = true;
  private readonly pool: Pool;
  private readonly done: Promise<unknown>;

  constructor(
    address: string,
    private readonly options: LoadOptions,
  ) {
    this.pool = new Pool(address, { connections: options.clients, pipelining: 1 });
    this.done = Promise.all(Array.from({ length: options.clients }, (_, client) => this.client(client)));
  }

  get sent(): number {
    return this.tally.answered.length + this.tally.lost.length;
  }

  /** May be asked again: a test that failed is cleaned up after. */
  async stop(): Promise<Tally> {
    this.running = false;
    await this.done;
    if (!this.pool.closed) await this.pool.close();
    return this.tally;
  }

  private async client(client: number): Promise<void> {
    const {
      path = '/v2/models/mail/infer',
      method = 'POST',
      body = '{"inputs":[]}',
      headers,
      pauseMs = 0,
    } = this.options;
    while (this.running) {
      const sentAt = performance.now();
      try {
        const response = await this.pool.request({
          path,
          method,
          headers: { 'content-type': 'application/json', ...headers?.(client) },
          body: method === 'POST' ? body : null,
        });
        await response.body.dump({ limit: 1 << 24 });
        this.tally.answered.push({
          id: String(response.headers['x-request-id']),
          version: String(response.headers['x-lastgood-version']),
          status: response.statusCode,
          sentAt,
          ms: performance.now() - sentAt,
        });
      } catch (error) {
        this.tally.lost.push({ sentAt, error: String(error) });
      }
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

/** Resolves when the condition holds; rejects with what it was about after the deadline. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
