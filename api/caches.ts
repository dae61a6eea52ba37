import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { OutputCache } from '../activities/ports';
import type { Actor, LedgerEntry } from '../domain/ledger';
import type { ApiPorts } from './ports';
import { read, unknownName } from './problem';
import { appendOnce } from './repeated';
import type { CacheInvalidated, CacheView } from './types';

const bodySchema = z.strictObject({
  requestId: z.string().min(1).max(128).optional(),
  atMs: z.number().min(0).optional(),
  /** Default: all of the service. */
  cache: z.string().max(64).optional(),
  reason: z.string().min(1).max(500),
});

/** The output caches of a service: what they may serve, and the way to empty them by hand. */
export function registerCaches(
  app: FastifyInstance,
  ports: ApiPorts,
  about: { readonly service: (request: FastifyRequest) => string; readonly actor: (request: FastifyRequest) => Actor },
): void {
  app.get(
    '/v1/services/:service/caches',
    { config: { needs: 'look' } },
    async (request): Promise<{ caches: CacheView[] }> => {
      const caches = ports.caches.of(about.service(request));
      return { caches: await Promise.all(caches.map(viewOf)) };
    },
  );

  app.post(
    '/v1/services/:service/caches/invalidations',
    { config: { needs: 'invalidateCaches' } },
    async (request, reply): Promise<CacheInvalidated> => {
      const service = about.service(request);
      const body = read(bodySchema, request.body, 'body');
      const { cache, reason, requestId = randomUUID(), atMs = Date.now() } = body;
      const all = ports.caches.of(service);
      const meant = all.filter(({ name }) => cache === undefined || name === cache);
      if (meant.length === 0) {
        const names = all.map(({ name }) => name).join(', ') || 'none: the configuration has no caches of it';
        throw unknownName(`cache: found "${cache ?? ''}", expected one of ${names}`);
      }
      const actor = about.actor(request);
      // On record before its first effect (I4); the same request again is the same entry and the same generation.
      const { at } = await appendOnce(ports.ledger, entryOf(service, actor, { requestId, atMs, reason }, meant));
      const by = `${actor.name}: ${reason}`.slice(0, 300);
      const outcomes = await Promise.all(
        meant.map(async (one) => {
          try {
            await one.invalidate({ at, by });
            return { cache: one.name, done: true, why: '' };
          } catch (error) {
            return { cache: one.name, done: false, why: (error as Error).message };
          }
        }),
      );
      void reply.code(outcomes.every(({ done }) => done) ? 200 : 502);
      return { outcomes };
    },
  );
}

async function viewOf(cache: OutputCache): Promise<CacheView> {
  const { name, strategy } = cache;
  try {
    return { cache: name, strategy, state: await cache.state(), why: '' };
  } catch (error) {
    return { cache: name, strategy, state: null, why: (error as Error).message };
  }
}

function entryOf(
  service: string,
  actor: Actor,
  { requestId, atMs, reason }: { readonly requestId: string; readonly atMs: number; readonly reason: string },
  caches: readonly OutputCache[],
): LedgerEntry {
  const names = caches.map(({ name }) => name);
  return {
    service,
    key: `caches/${requestId}`,
    at: Math.round(atMs),
    kind: 'operator-act',
    incident: null,
    actor,
    summary: `empties ${names.length === 1 ? 'the cache' : 'the caches'} ${names.join(', ')}, by ${actor.name}: ${reason}`,
    facts: { act: 'invalidate-caches', caches: names, reason },
  };
}
