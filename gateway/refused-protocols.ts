import { STATUS_CODES, type IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { refusalOf } from '../domain/traffic-support';
import type { AnyServer } from './server';

/** The sentences of the table, as clients get them. */
export const REFUSED = {
  webSocket: refusalOf('gateway', 'websocket', 'address') ?? '',
  http2: refusalOf('gateway', 'http2', 'address') ?? '',
};
/** Of what an `Upgrade:` may name, the one that cannot be passed over: its client expects no HTTP answer. */
export function asksForWebSocket(upgrade: string): boolean {
  return /\bwebsocket\b/i.test(upgrade);
}

const CONNECT = 'CONNECT asks for a tunnel, and the gateway is no forward proxy: send the request itself';

/** HTTP/2 error codes and frames of RFC 9113. */
const HTTP_1_1_REQUIRED = 0xd;
const SETTINGS = 0x4;
const GOAWAY = 0x7;

/**
 * Answers those who speak another protocol than HTTP/1.1 in words that they can read, instead of a closed connection.
 * Over TLS an HTTP/2 client that insists is refused by ALPN before it can say anything.
 */
export function refuseOtherProtocols(server: AnyServer, refused: (reason: string) => void): void {
  server.on('connect', (_req, socket: Duplex) => {
    refused('connect');
    socket.end(plainRefusal(501, 'connect', CONNECT));
  });
  server.on('clientError', (error: Error & { code?: string }, socket: Duplex) => {
    if (error.code === 'HPE_PAUSED_H2_UPGRADE') {
      refused('http2');
      socket.end(goAway(REFUSED.http2));
      return;
    }
    if (!socket.writable || error.code === 'ECONNRESET' || hasBegun(socket)) {
      socket.destroy();
      return;
    }
    const status = statusOf(error.code);
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\n\r\n`);
  });
}

/** As Node answers where nobody listens for such errors. */
function statusOf(code: string | undefined): 400 | 408 | 413 | 431 {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return 431;
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 413;
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 408;
    default:
      return 400;
  }
}

/** Status, reason and detail for a request that belongs to no version, whatever its body is; null for every other one. */
export function refusedAtOnce(headers: IncomingHttpHeaders): [number, string, string] | null {
  if (headers['x-lastgood-mirror'] !== undefined)
    return [400, 'mirror', 'a mirrored request goes to an instance, not through the route'];
  if (headers.upgrade !== undefined && asksForWebSocket(headers.upgrade)) return [501, 'websocket', REFUSED.webSocket];
  return null;
}

/** An answer is under way on this connection: nothing may be written between its bytes. */
function hasBegun(socket: Duplex): boolean {
  const { _httpMessage: message } = socket as { _httpMessage?: { headersSent?: boolean } };
  return message?.headersSent === true;
}

function plainRefusal(status: number, reason: string, detail: string): string {
  const body = JSON.stringify({ error: reason, detail });
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nx-lastgood-version: none\r\nx-lastgood-reason: ${reason}\r\n` +
    `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
  );
}

/** The server's side of an HTTP/2 connection that ends at once, with the reason as its debug data. */
function goAway(detail: string): Buffer {
  const text = Buffer.from(detail);
  const last = Buffer.alloc(8);
  last.writeUInt32BE(HTTP_1_1_REQUIRED, 4);
  return Buffer.concat([frame(SETTINGS, Buffer.alloc(0)), frame(GOAWAY, Buffer.concat([last, text]))]);
}

function frame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  return Buffer.concat([head, payload]);
}
