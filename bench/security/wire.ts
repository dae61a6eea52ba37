import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  /** Null: the connection ended without a status line. */
  readonly status: number | null;
  readonly text: string;
}

/** Where a listener is: a path of a Unix socket, or a port of loopback (asked from an address of it). */
export type Place = { readonly path: string } | { readonly port: number; readonly from?: string };

const LIMIT_BYTES = 8 * 1024 * 1024;

/**
 * Writes bytes as they are, which no HTTP client would, and reads until the other side ends. Follows streams for
 * `streamMs` at most.
 */
export async function sendRaw(place: Place, bytes: Buffer, streamMs = 4_000): Promise<RawAnswer> {
  return await new Promise((resolve) => {
    const parts: Buffer[] = [];
    let length = 0;
    const socket: Socket =
      'path' in place
        ? connect(place.path)
        : connect({ port: place.port, host: '127.0.0.1', localAddress: place.from ?? '127.0.0.1' });
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      const text = Buffer.concat(parts).toString('latin1');
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
      resolve({ status: status === undefined ? null : Number(status), text });
    };
    const timer = setTimeout(done, streamMs);
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      length += part.length;
      if (length > LIMIT_BYTES) done();
    });
    socket.on('error', () => undefined);
    socket.on('close', done);
    socket.write(bytes);
  });
}

export interface RawRequest {
  readonly method: string;
  /** As it stands in the request line. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A request that is well-formed but for what it says: line breaks do not leave their place. */
export function rawRequest({ method, target, headers, body }: RawRequest): Buffer {
  const lines = Object.entries({
    host: 'x',
    connection: 'close',
    ...headers,
    'content-length': String(body.length),
  }).map(([name, value]) => `${name}: ${value.replace(/[\r\n\0]/g, ' ')}`);
  const line = `${method} ${target.replace(/[\s\0]/g, '+')} HTTP/1.1`;
  return Buffer.concat([Buffer.from(`${line}\r\n${lines.join('\r\n')}\r\n\r\n`), body]);
}
