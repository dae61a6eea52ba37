import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Exchange } from './proxy';
import type { Service } from './service';

const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 60_000;
const CLOSE_IDLE_EVERY_MS = 50;

/** The listener that the clients of one service use. */
export function serviceServer(service: Service): Server {
  const server = createServer({ keepAlive: true, noDelay: true }, (req, res) =>
    new Exchange(service, req, res).begin(),
  );
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = HEADERS_MS;
  // A long upload or a long generation is no fault; what waits too long is ended by the service's own limits.
  server.requestTimeout = 0;
  return server;
}

export type Listen = { readonly host: string; readonly port: number } | { readonly socket: string };

/** Listens; rejects with the reason when the address is taken. */
export function listen(server: Server, at: Listen): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const ready = (): void => {
      server.off('error', reject);
      resolve();
    };
    if ('socket' in at) server.listen(at.socket, ready);
    else server.listen(at.port, at.host, ready);
  });
}

/** `http://host:port` of a listening server. */
export function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return family === 'IPv6' ? `http://[${address}]:${port}` : `http://${address}:${port}`;
}

/**
 * Accepts nothing new and resolves when all requests have ended. Connections that go idle are closed as they do:
 * `close` alone would wait for their keep-alive time.
 */
export function drain(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
    server.prependListener('request', (_req, res: { shouldKeepAlive: boolean }) => {
      res.shouldKeepAlive = false;
    });
    server.close(() => {
      clearInterval(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
