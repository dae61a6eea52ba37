import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Right } from '../domain/roles';
import { authorise, type Caller } from './identity/caller';
import { refuseForeignPages } from './foreign-pages';
import { ApiError } from './problem';

/**
 * What a route needs; `open` for everybody who reaches the listener, `page` for every browser that does (it says nothing of
 * any service), `signed` a signature over the message, which the route itself proves, a function where its path says it.
 */
export type Needs = Right | 'open' | 'page' | 'signed' | ((params: Readonly<Record<string, string>>) => Right | null);

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any route that needs one runs. */
    caller: Caller | null;
    /** For answers that go on: looks at the proof and the right once more. @throws ApiError where they are not good any more */
    proveAgain(): Promise<void>;
    /** Counts a proof that the route looks at; rejects as `identify` does. */
    prove<T>(identify: () => T): Promise<T>;
  }
  interface FastifyContextConfig {
    needs?: Needs;
  }
}

/** Every route says what it needs; one that does not would be open by oversight, and the process does not start. */
export function demandRights(
  app: FastifyInstance,
  identifies: {
    readonly openToAll: boolean;
    readonly tls: boolean;
    count(request: FastifyRequest): Promise<unknown>;
    caller(request: FastifyRequest): Promise<Caller>;
    /** The same for a request that was counted already. */
    again(request: FastifyRequest): Promise<Caller>;
    counted<T>(request: FastifyRequest, identify: () => Promise<T>): Promise<T>;
  },
): void {
  app.decorateRequest('caller', null);
  app.decorateRequest('proveAgain', () => Promise.resolve());
  app.decorateRequest('prove', async (identify) => Promise.resolve(identify()));
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.needs === undefined) throw new Error(`${String(method)} ${url} does not say which right it needs`);
  });
  app.addHook('onRequest', async (request) => {
    const { needs } = request.routeOptions.config;
    if (needs === 'page') return void (await identifies.count(request));
    refuseForeignPages(request, identifies);
    if (needs === 'open' && identifies.openToAll) return;
    if (needs === 'signed') {
      request.prove = (identify) => identifies.counted(request, async () => Promise.resolve(identify()));
      return;
    }
    const caller = await identifies.caller(request);
    request.caller = caller;
    const params = (request.params ?? {}) as Readonly<Record<string, string>>;
    const right = typeof needs === 'function' ? needs(params) : needs === 'open' ? 'look' : needs;
    const mustHaveRight = (who: Caller): void => {
      if (right !== undefined && right !== null) authorise(who, right, params['service'] ?? null);
    };
    mustHaveRight(caller);
    request.proveAgain = async () => mustHaveRight(await identifies.again(request));
  });
}

export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new ApiError(401, 'Nobody is known to have asked', 'send a token');
  return request.caller;
}

export function onlyLocal(request: FastifyRequest): void {
  if (callerOf(request).isLocalUser) return;
  throw new ApiError(403, 'For the local user only', 'ask from the machine of the controller');
}

/** Services that the caller may hear of. */
export function visible<T extends { readonly name: string }>(request: FastifyRequest, services: readonly T[]): T[] {
  const { services: mine } = callerOf(request);
  return services.filter(({ name }) => mine === null || mine.includes(name));
}
