import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A real HTTP server that records what came; `answer` decides what the n-th request (from 1) gets. */
export class HttpReceiver {
  readonly received: Received[] = [];
  private readonly server = createServer((request, response) => void this.take(request, response));

  constructor(private readonly answer: (nth: number, response: ServerResponse) => void) {}

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    this.received.push({ path: request.url ?? '', headers: request.headers as Record<string, string>, body });
    this.answer(this.received.length, response);
  }
}
