import { chooseStrategy } from '../domain/caches/choice';
import type { CacheSettled, CacheSettling, ControlActivities } from '../workflows/contract/activities';
import type { OutputCache, OutputCaches, TrafficRouter } from './ports';

/** The configuration has no such cache any more. */
export class CacheUnknown extends Error {
  override readonly name = 'CacheUnknown';
}

/**
 * Idempotent by the epoch: what the cache has of it already is not done again, whatever was measured meanwhile. Reads back
 * what it did.
 */
export function settleCache(ports: {
  readonly caches: OutputCaches;
  readonly router: TrafficRouter;
}): ControlActivities['settleCache'] {
  return async (input) => {
    const found = ports.caches.of(input.service).find(({ name }) => name === input.cache);
    if (!found) throw new CacheUnknown(`${input.service} has no cache ${input.cache} in the configuration`);
    return await bringTo(found, ports.router, input);
  };
}

/** Also for the keeper, which finds caches that nobody has told of the route in force. */
export async function bringTo(cache: OutputCache, router: TrafficRouter, input: CacheSettling): Promise<CacheSettled> {
  const { epoch, version, drop, at, by, strategy: asked } = input;
  const { strategy, why } =
    asked === 'auto' ? chooseStrategy((await cache.state()).figures) : { strategy: asked, why: 'as configured' };
  const change = { epoch, version, drop, strategy, at, by };
  const { outcome, tag } = await cache.settle(change, why);
  if (outcome !== 'superseded') return { outcome, strategy, why, tag };
  // A cache that outlived the data of lastgood is ahead of every epoch, and would stay on its version for ever.
  const ahead = (await cache.state()).epoch ?? 0;
  const { record } = await router.read(input.service);
  // Without a record nobody knows which version serves: the cache stays where it is.
  if (record === null || record.epoch >= ahead || record.epoch > epoch) return { outcome, strategy, why, tag };
  const anew = `the cache was ahead of the route (epoch ${ahead}): everything is dropped`;
  return { ...(await cache.settle(change, anew, { takeOver: true })), strategy, why: anew };
}
