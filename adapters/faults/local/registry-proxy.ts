import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { z } from 'zod';

export const proxyOrderSchema = z.strictObject({
  mode: z.enum(['pass', 'cut', 'slow']),
  delayMs: z.number().min(0).max(600_000).default(0),
  /** It passes again by itself after this long, whatever happened to who ordered it. */
  limitMs: z.number().min(1).max(3_600_000).default(60_000),
});
export type ProxyOrder = z.infer<typeof proxyOrderSchema>;

export const proxyStateSchema = z.strictObject({
  listen: z.strictObject({ host: z.string(), port: z.int() }),
  upstream: z.strictObject({ host: z.string(), port: z.int() }),
  mode: z.enum(['pass', 'cut', 'slow']),
  delayMs: z.number(),
  passed: z.int(),
  cut: z.int(),
  slowed: z.int(),
});
export type ProxyState = z.infer<typeof proxyStateSchema>;

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * A TCP proxy on loopback before a registry, so that what lies between can be cut or slowed without touching the registry
 * or the network of the machine. Ordered over a Unix socket that only its user can open.
 */
export class RegistryProxy {
  private mode: ProxyOrder['mode'] = 'pass';
  private delayMs = 0;
  private counts = { passed: 0, cut: 0, slowed: 0 };
  private readonly open = new Set<Socket>();
  private reverting: NodeJS.Timeout | undefined;
  private readonly front: Server;
  private readonly control = createHttpServer((request, response) => void this.obey(request, response));

  private constructor(
    private readonly upstream: Endpoint,
    private readonly controlPath: string,
  ) {
    this.front = createServer((client) => this.take(client));
  }

  static async start(options: {
    readonly listen: Endpoint;
    readonly upstream: Endpoint;
    readonly controlPath: string;
  }): Promise<RegistryProxy> {
    const proxy = new RegistryProxy(options.upstream, options.controlPath);
    proxy.front.listen(options.listen.port, options.listen.host);
    await once(proxy.front, 'listening');
    await rm(options.controlPath, { force: true });
    proxy.control.listen(options.controlPath);
    await once(proxy.control, 'listening');
    return proxy;
  }

  get state(): ProxyState {
    const { address: host, port } = this.front.address() as { address: string; port: number };
    const { mode, delayMs, counts, upstream } = this;
    return { listen: { host, port }, upstream: { ...upstream }, mode, delayMs, ...counts };
  }

  set({ mode, delayMs, limitMs }: ProxyOrder): ProxyState {
    clearTimeout(this.reverting);
    this.mode = mode;
    this.delayMs = mode === 'slow' ? delayMs : 0;
    if (mode === 'cut') for (const socket of this.open) socket.destroy();
    if (mode !== 'pass') {
      this.reverting = setTimeout(() => this.set({ mode: 'pass', delayMs: 0, limitMs: 1 }), limitMs);
      this.reverting.unref();
    }
    return this.state;
  }

  async close(): Promise<void> {
    clearTimeout(this.reverting);
    for (const socket of this.open) socket.destroy();
    this.control.closeAllConnections();
    await Promise.all([this.front, this.control].map((server) => new Promise((done) => server.close(done))));
    await rm(this.controlPath, { force: true });
  }

  private take(client: Socket): void {
    client.on('error', () => client.destroy());
    if (this.mode === 'cut') {
      this.counts.cut += 1;
      client.resetAndDestroy();
      return;
    }
    this.counts[this.mode === 'slow' ? 'slowed' : 'passed'] += 1;
    const server = connect(this.upstream);
    for (const socket of [client, server]) {
      this.open.add(socket);
      socket.on('close', () => this.open.delete(socket));
      socket.on('error', () => socket.destroy());
    }
    client.on('close', () => server.destroy());
    // An upstream that has ended has pieces that are still held back; they end the client when they are through.
    server.on('close', (failed) => {
      if (failed) client.destroy();
    });
    client.pipe(server);
    server.pipe(this.slowing()).pipe(client);
  }

  /** The mode of the moment counts, so that a transfer under way is slowed too. */
  private slowing(): Transform {
    return new Transform({
      transform: (piece, _encoding, done) => {
        if (this.delayMs === 0) done(null, piece);
        else setTimeout(() => done(null, piece), this.delayMs);
      },
    });
  }

  private async obey(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    try {
      if (request.method === 'GET') return answer(200, this.state);
      let text = '';
      for await (const piece of request) {
        text += String(piece);
        if (text.length > 4_096) return answer(413, { why: 'the order is too long' });
      }
      const order = proxyOrderSchema.safeParse(JSON.parse(text));
      if (!order.success) return answer(400, { why: z.prettifyError(order.error) });
      answer(200, this.set(order.data));
    } catch (fault) {
      answer(400, { why: String(fault) });
    }
  }
}
