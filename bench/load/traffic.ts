import { Client } from 'undici';
import { MODEL, REQUEST } from './artifact';

const PAUSE_MS = 3;
const BODY = JSON.stringify(REQUEST);

/** One user who asks all the time, and when a version first answered. */
export class Traffic {
  sent = 0;
  failed = 0;
  private readonly firstAnswerAt = new Map<string, number>();
  private readonly client: Client;
  private going = true;
  private readonly ended: Promise<void>;

  constructor(entrance: string) {
    this.client = new Client(entrance);
    this.ended = this.run();
  }

  /** From now on the next answer of each version is its first one. */
  forget(): void {
    this.firstAnswerAt.clear();
  }

  /** Milliseconds since 1970; null while it has not answered. */
  answeredAt(version: string): number | null {
    return this.firstAnswerAt.get(version) ?? null;
  }

  async stop(): Promise<void> {
    this.going = false;
    await this.ended;
    await this.client.close();
  }

  private async run(): Promise<void> {
    const path = `/v2/models/${MODEL}/infer`;
    const headers = { 'content-type': 'application/json' };
    while (this.going) {
      this.sent += 1;
      try {
        const {
          statusCode,
          headers: answered,
          body,
        } = await this.client.request({ method: 'POST', path, headers, body: BODY });
        await body.dump();
        const version = answered['x-lastgood-version'];
        if (statusCode !== 200) this.failed += 1;
        else if (typeof version === 'string' && !this.firstAnswerAt.has(version))
          this.firstAnswerAt.set(version, Date.now());
      } catch {
        this.failed += 1;
      }
      await new Promise((resume) => setTimeout(resume, PAUSE_MS));
    }
  }
}
