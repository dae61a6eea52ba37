import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SourceItem } from '../contracts/pipeline';

/** A system that speaks the webhook's interface: its items, and the effects that it counts itself. */
export class WebhookReceiver {
  items: SourceItem[] = [];
  readonly effects = new Map<string, string[]>();
  /** Whether it has one effect for each key; a receiver that does not has one for each call. */
  honoursKey = true;
  /** Path of the calls that are answered with this status instead. */
  failing: { readonly path: string; readonly status: number } | null = null;
  /** Ends the connection after the effect: the caller does not learn of it. */
  cutAfterRedo = 0;
  readonly headers: (string | undefined)[] = [];
  private readonly heard = new Map<string, string>();
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { pathname, searchParams } = new URL(request.url ?? '/', 'http://here');
        this.headers.push(request.headers.authorization);
        const body =
          parts.length === 0 ? null : (JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>);
        const key = String(request.headers['idempotency-key'] ?? '');
        if (this.failing && pathname.startsWith(this.failing.path)) {
          response.writeHead(this.failing.status).end();
          return;
        }
        const answer = body === null ? this.get(pathname, searchParams) : this.post(pathname, key, body);
        if (pathname === '/redo' && this.cutAfterRedo > 0) {
          this.cutAfterRedo -= 1;
          request.socket.destroy();
          return;
        }
        response.writeHead(answer === null ? 404 : 200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(answer));
      });
    });
  }

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await new Promise<void>((resolve) => receiver.server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private get(path: string, query: URLSearchParams): unknown {
    if (path === '/items') {
      const [from, to] = [Date.parse(query.get('from') ?? ''), Date.parse(query.get('to') ?? '')];
      const found = this.items.filter(
        ({ version, atMs }) => version === query.get('version') && atMs >= from && atMs < to,
      );
      const start = Number(query.get('cursor') ?? 0);
      const end = start + Number(query.get('limit'));
      const items = found.slice(start, end).map(({ id }) => ({ id }));
      return { items, next: end < found.length ? String(end) : null };
    }
    const wanted = path.startsWith('/items/') ? decodeURIComponent(path.slice('/items/'.length)) : null;
    const found = this.items.filter(({ id }) => id === wanted);
    if (found.length === 0) return null;
    return { items: found.map(({ id, version, text }) => ({ id, version, request: { text } })) };
  }

  private post(path: string, key: string, body: Record<string, unknown>): unknown {
    const known = this.heard.get(key);
    if (known !== undefined && this.honoursKey) return { outcome: known };
    const outcome = { '/redo': 'redone', '/flush': 'flushed', '/flag': 'flagged' }[path] ?? 'gone';
    this.heard.set(key, outcome);
    if (path === '/redo') {
      for (const { item, outputs } of body['results'] as { item: string; outputs: { label: string } }[])
        this.effects.set(item, [...(this.effects.get(item) ?? []), outputs.label]);
    }
    return { outcome };
  }
}
