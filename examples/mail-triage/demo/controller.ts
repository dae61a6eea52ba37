import { request } from 'node:http';

const LIMIT_MS = 20_000;

/** The controller's HTTP interface, as far as the demo needs it. */
export interface LedgerEntry {
  seq: number;
  at: number;
  kind: string;
  incident: string | null;
  summary: string;
  facts: Record<string, unknown>;
}

export interface StatusView {
  status: {
    readiness: { ready: boolean; target: string | null; warm: boolean; why: string };
    state: {
      declared: { primary: string } | null;
      operation: { id: string; step: string } | null;
      standby: { version: string; proof: string } | null;
      tiers: { metric: string; kind: string; observed: number | null; expected: number | null; limit: number | null }[];
    };
  } | null;
}

export class Controller {
  constructor(
    /** The interface's Unix socket: the operating system says who asks. */
    private readonly socket: string,
    private readonly service: string,
  ) {}

  async status(): Promise<StatusView> {
    return (await this.call('GET', `/v1/services/${this.service}`)) as StatusView;
  }

  async ledgerAfter(seq: number): Promise<LedgerEntry[]> {
    const page = (await this.call('GET', `/v1/services/${this.service}/ledger?after=${seq}&limit=100`)) as {
      entries: LedgerEntry[];
    };
    return page.entries;
  }

  async importArtifact(path: string): Promise<void> {
    await this.call('POST', '/v1/artifacts/import', { path });
  }

  async act(name: string, body: Record<string, unknown>): Promise<{ decision: string; why: string }> {
    return (await this.call('POST', `/v1/services/${this.service}/acts/${name}`, body)) as {
      decision: string;
      why: string;
    };
  }

  async feedback(items: readonly object[]): Promise<void> {
    await this.call('POST', `/v1/services/${this.service}/feedback`, { items });
  }

  private async call(method: string, path: string, body?: object): Promise<unknown> {
    const text = body === undefined ? '' : JSON.stringify(body);
    const { status, answer } = await this.exchange(method, path, text);
    // 409 is a refusal: a decision like any other, with its reason in the answer.
    if (status >= 400 && status !== 409)
      throw new Error(`${method} ${path}: ${(answer as { detail?: string }).detail ?? status}`);
    return answer;
  }

  private exchange(method: string, path: string, body: string): Promise<{ status: number; answer: unknown }> {
    return new Promise((resolve, reject) => {
      const headers =
        body === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const call = request({ socketPath: this.socket, method, path, headers, timeout: LIMIT_MS }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const answer: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
          resolve({ status: response.statusCode ?? 0, answer });
        });
      });
      call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer within ${LIMIT_MS / 1000} s`)));
      call.on('error', reject);
      call.end(body);
    });
  }
}
