import { createServer, type RequestListener, type Server } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Exchange } from './proxy';
import { refuseOtherProtocols } from './refused-protocols';
import { sameToken } from './request-id';
import type { Service } from './service';
import { TlsEntrance } from './tls-entrance';

export type AnyServer = Server | TlsServer;

const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 60_000;
const CLOSE_IDLE_EVERY_MS = 50;

const CONNECTIONS = { keepAlive: true, noDelay: true };

/** The listener that the clients of one service use, over TLS where that is configured. */
export function serviceServer(service: Service): AnyServer {
  const { listenTls, name } = service.config;
  const onRequest: RequestListener = (req, res) => new Exchange(service, req, res).begin();
  if (!listenTls) return limited(createServer(CONNECTIONS, onRequest), service);
  service.entrance = new TlsEntrance(name, listenTls, CONNECTIONS, onRequest);
  return limited(service.entrance.server, service);
}

/**
 * Where probes come in for a service whose own entrance has TLS: on loopback, and for nobody but who knows their token.
 * A probe asks which version answers, not whether lastgood itself has a certificate that the entrance accepts.
 */
export function probeServer(service: Service): Server {
  const server = createServer(CONNECTIONS, (req, res) => {
    const token = req.headers['x-lastgood-probe'];
    if (typeof token === 'string' && sameToken(token, service.probeToken)) new Exchange(service, req, res).begin();
    else res.writeHead(403, { 'content-type': 'text/plain' }).end('only probes of lastgood come in here\n');
  });
  return limited(server, service);
}

function limited<S extends AnyServer>(server: S, service: Service): S {
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = HEADERS_MS;
  // A long upload or a long generation is no fault; what waits too long is ended by the service's own limits.
  server.requestTimeout = 0;
  refuseOtherProtocols(server, (reason) => service.meters.refused(reason));
  return server;
}

export type Listen = { readonly host: string; readonly port: number } | { readonly socket: string };

/** Listens; rejects with the reason when the address is taken. */
export function listen(server: AnyServer, at: Listen): Promise<void> {
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

/** `http://host:port` or `https://host:port` of a listening server. */
export function addressOf(server: AnyServer): string {
  const { address, port, family } = server.address() as AddressInfo;
  const scheme = server instanceof TlsServer ? 'https' : 'http';
  return family === 'IPv6' ? `${scheme}://[${address}]:${port}` : `${scheme}://${address}:${port}`;
}

/**
 * Accepts nothing new and resolves when all requests have ended. Connections that go idle are closed as they do:
 * `close` alone would wait for their keep-alive time.
 */
export function drain(server: AnyServer): Promise<void> {
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
