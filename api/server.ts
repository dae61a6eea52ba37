import { readFileSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import helmet, { type FastifyHelmetOptions } from '@fastify/helmet';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { registerConsole } from './console';
import { identify, type Door } from './identity/identify';
import type { ApiPorts } from './ports';
import { DecisionsUnreachable } from './ports';
import { ApiError, sendProblem } from './problem';
import type { Caller } from './identity/caller';
import { limitRequests } from './limits';
import { LiveFeeds } from './live/live-feeds';
import { openApiDocument, routesOf } from './openapi/document';
import { demandRights } from './rights';
import { registerRoutes } from './routes';

export interface ApiServerOptions {
  readonly door: Door;
  readonly tls: {
    readonly certFile: string;
    readonly keyFile: string;
    /** Authority of client certificates; null: none is asked for. */
    readonly clientCaFile: string | null;
  } | null;
  /** Where the build put the operator's page; absent: it is not served. */
  readonly consoleDirectory?: string;
  readonly onError: (error: Error, what: string) => void;
  /** Shared by the listeners of one process; absent: its own. */
  readonly live?: LiveFeeds;
}

export const bodyLimitBytes = 2 * 1024 * 1024;

/** Answers are data, for nobody's cache and no page but our own. */
const headers: FastifyHelmetOptions = {
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], styleSrc: ["'unsafe-inline'"] } },
  crossOriginResourcePolicy: { policy: 'same-origin' },
};

/** One listener of the interface; `listen` is the caller's. */
export function createApiServer(ports: ApiPorts, options: ApiServerOptions): FastifyInstance {
  const { tls, door } = options;
  const who = (request: FastifyRequest): Promise<Caller> => identify(door, request, Date.now());
  const app = Fastify({
    bodyLimit: bodyLimitBytes,
    requestTimeout: 60_000,
    logger: false,
    forceCloseConnections: true,
    ...(tls === null ? {} : { https: tlsOptions(tls) }),
  }) as unknown as FastifyInstance;
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, 404, 'There is no such thing', `${request.method} ${request.url} is not part of this interface`),
  );
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    if (error instanceof ApiError) return sendProblem(reply, error.status, error.title, error.message);
    if (error instanceof DecisionsUnreachable) return sendProblem(reply, 503, 'Nobody decides now', error.message);
    // Written down under this key before, with other words: what was said first stays.
    if (error.name === 'LedgerConflict') return sendProblem(reply, 409, 'It is refused', error.message);
    const status = error.statusCode ?? 500;
    if (status < 500) return sendProblem(reply, status, 'The request cannot be read', error.message);
    options.onError(error, `${request.method} ${request.routeOptions.url ?? request.url}`);
    // A fault of a port (ledger, gateway, store): its message names it, and only people with the token read this.
    return sendProblem(reply, 502, 'A part of lastgood did not answer', `${error.name}: ${error.message}`);
  });
  void app.register(helmet, headers);
  void app.register(async (scope) => {
    const routes = scope as unknown as FastifyInstance;
    // The socket is for the user of these processes; a limit would only hold up a person in a hurry.
    const limited = door.kind === 'tcp' ? await limitRequests(routes) : null;
    demandRights(routes, {
      // Metrics and health are asked by probes and by Prometheus, and free of anything that is not for every local process.
      openToAll: tls === null || door.kind === 'socket',
      tls: tls !== null,
      count: async (request) => await limited?.(request, () => Promise.resolve(null)),
      caller: (request) => (limited ? limited(request, () => who(request)) : who(request)),
      again: who,
      counted: (request, prove) => (limited ? limited(request, prove) : prove()),
    });
    const described = routesOf(routes);
    routes.get('/v1/openapi.json', { config: { needs: () => null } }, () => openApiDocument(described));
    registerRoutes(routes, ports, options.live ?? new LiveFeeds(ports));
    if (options.consoleDirectory !== undefined) registerConsole(routes, options.consoleDirectory);
  });
  return app;
}

function tlsOptions({ certFile, keyFile, clientCaFile }: NonNullable<ApiServerOptions['tls']>): SecureContextOptions {
  const own = { cert: readFileSync(certFile), key: readFileSync(keyFile), minVersion: 'TLSv1.2' } as const;
  if (clientCaFile === null) return own;
  // Whoever has none may still prove who they are by a token.
  return {
    ...own,
    ca: readFileSync(clientCaFile),
    requestCert: true,
    rejectUnauthorized: false,
  } as SecureContextOptions;
}
