import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import { CONTROL_PREFIX, routerStateSchema, type GatewayPeer, type RouterState } from './protocol';

const STATE_LIMIT_BYTES = 1 << 20;

/** Another gateway of the same services, asked for what it has in force. */
export class Peer {
  readonly name: string;
  private readonly agent: Agent;
  private readonly origin: string;

  constructor(private readonly config: GatewayPeer) {
    const { control } = config;
    this.name = config.name;
    this.origin = 'socket' in control ? 'http://gateway' : new URL(control.url).origin;
    const ca = 'socket' in control || control.caFile === undefined ? {} : { ca: readFileSync(control.caFile) };
    this.agent = new Agent({ connect: 'socket' in control ? { socketPath: control.socket } : ca, connections: 4 });
  }

  /** Rejects when it does not answer before `signal` aborts, or answers something else. */
  async state(service: string, signal: AbortSignal): Promise<RouterState> {
    const url = `${this.origin}${CONTROL_PREFIX}/services/${encodeURIComponent(service)}`;
    const headers = await this.authorization();
    const { statusCode, body } = await request(url, { dispatcher: this.agent, signal, headers });
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of body as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > STATE_LIMIT_BYTES) throw new Error(`peer ${this.name}: more than ${STATE_LIMIT_BYTES} bytes`);
      parts.push(part);
    }
    const text = Buffer.concat(parts).toString('utf8');
    if (statusCode !== 200) throw new Error(`peer ${this.name}: ${statusCode} ${text.slice(0, 200)}`);
    return routerStateSchema.parse(JSON.parse(text));
  }

  close(): void {
    // What it has not answered by now is of no use any more.
    this.agent.destroy().catch(() => undefined);
  }

  private async authorization(): Promise<Record<string, string>> {
    const { control } = this.config;
    if ('socket' in control) return {};
    // Read each time: the other gateway writes a new token when its data directory is new.
    return { authorization: `Bearer ${(await readFile(control.tokenFile, 'utf8')).trim()}` };
  }
}
