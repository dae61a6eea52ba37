import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { hostileJsonText, hostileText, mangled } from './hostile';

/** Says the same bytes to everybody who asks, and hangs up: at a port, and at a Unix socket. */
export class HostileServer {
  says: Buffer = Buffer.alloc(0);
  private readonly sockets = new Set<Socket>();

  private constructor(
    readonly directory: string,
    private readonly servers: readonly Server[],
  ) {}

  static async start(): Promise<HostileServer> {
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-hostile-'));
    const servers = [createServer(), createServer()];
    const self = new HostileServer(directory, servers);
    for (const server of servers) server.on('connection', (socket) => self.answer(socket));
    await new Promise<void>((resolve) => servers[0]?.listen(0, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => servers[1]?.listen(self.socket, resolve));
    return self;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.servers[0]?.address() as AddressInfo).port}`;
  }

  get socket(): string {
    return join(this.directory, 's.sock');
  }

  private answer(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
    socket.once('data', () => socket.end(this.says));
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    for (const server of this.servers) await new Promise((resolve) => server.close(resolve));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const statuses = fc.oneof(
  { weight: 8, arbitrary: fc.constant(200) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(100, 101, 201, 204, 206, 301, 304, 400, 401, 404, 409, 429, 500, 503, 599, 999, 0),
  },
);
const heads = [
  '',
  'content-type: application/json\r\n',
  'content-type: text/html\r\n',
  'location: http://169.254.169.254/\r\n',
  'transfer-encoding: chunked\r\n',
  'content-encoding: gzip\r\n',
  'content-length: 99999999\r\n',
  'content-length: -1\r\n',
  'set-cookie: a\r\nset-cookie: b\r\n',
  'x-version: 1\r\nx-version: 2\r\n',
];

/** A whole answer of HTTP around one of these bodies; some with heads that do not fit, some cut off. */
export function httpAnswer(bodies: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const whole = fc
    .tuple(statuses, fc.constantFrom('', '', '', ...heads), bodies, hostileText)
    .map(([status, head, body, text]) => {
      const length =
        head.startsWith('content-length') || head.startsWith('transfer') ? '' : `content-length: ${body.length}\r\n`;
      return Buffer.concat([
        Buffer.from(
          `HTTP/1.1 ${status} ${text.replace(/[^ -~]/g, '').slice(0, 50)}\r\nconnection: close\r\n${head}${length}\r\n`,
        ),
        body,
      ]);
    });
  return fc.oneof(
    { weight: 10, arbitrary: whole },
    { weight: 2, arbitrary: fc.tuple(whole, fc.nat(400)).map(([bytes, at]) => bytes.subarray(0, at)) },
    { weight: 1, arbitrary: mangled(['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}']) },
  );
}

export function jsonAnswer(good: readonly unknown[]): fc.Arbitrary<Buffer> {
  return httpAnswer(hostileJsonText(good));
}

/** Whole answers only, for a client whose limit of time is longer than any test waits. */
export function wholeJsonAnswer(good: readonly unknown[]): fc.Arbitrary<Buffer> {
  return fc
    .tuple(statuses, hostileJsonText(good))
    .map(([status, body]) =>
      Buffer.concat([
        Buffer.from(
          `HTTP/1.1 ${status < 200 ? 200 : status} x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`,
        ),
        body,
      ]),
    );
}
