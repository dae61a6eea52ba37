import { readFileSync } from 'node:fs';
import Fastify, { type FastifyInstance } from 'fastify';
import { identifyCaller, type Caller, type Door } from './identity';
import type { ApiPorts } from './ports';
import { DecisionsUnreachable } from './ports';
import { ApiError, sendProblem } from './problem';
import { registerRoutes } from './routes';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any route that needs one runs. */
    caller: Caller | null;
  }
}

export interface ApiServerOptions {
  readonly door: Door;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  readonly onError: (error: Error, what: string) => void;
}

export const bodyLimitBytes = 2 * 1024 * 1024;

/** One listener of the interface; `listen` is the caller's. */
export function createApiServer(ports: ApiPorts, options: ApiServerOptions): FastifyInstance {
  const { tls, door } = options;
  const app = Fastify({
    bodyLimit: bodyLimitBytes,
    requestTimeout: 60_000,
    logger: false,
    forceCloseConnections: true,
    ...(tls === null ? {} : { https: { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) } }),
  }) as unknown as FastifyInstance;
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request) => {
    // Asked by probes and by Prometheus, and free of anything that is not for every local process.
    const open = request.routeOptions.url === '/metrics' || request.routeOptions.url === '/v1/health';
    if (open && (tls === null || door.kind === 'socket')) return;
    request.caller = identifyCaller(door, request);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, 404, 'There is no such thing', `${request.method} ${request.url} is not part of this interface`),
  );
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    if (error instanceof ApiError) return sendProblem(reply, error.status, error.title, error.message);
    if (error instanceof DecisionsUnreachable) return sendProblem(reply, 503, 'Nobody decides now', error.message);
    const status = error.statusCode ?? 500;
    if (status < 500) return sendProblem(reply, status, 'The request cannot be read', error.message);
    options.onError(error, `${request.method} ${request.routeOptions.url ?? request.url}`);
    // A fault of a port (ledger, gateway, store): its message names it, and only people with the token read this.
    return sendProblem(reply, 502, 'A part of lastgood did not answer', `${error.name}: ${error.message}`);
  });
  registerRoutes(app, ports);
  return app;
}
