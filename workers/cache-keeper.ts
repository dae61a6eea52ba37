import type { Logger } from 'pino';
import { bringTo } from '../activities/settle-cache';
import type { CacheState, OutputCache, OutputCaches, TrafficRouter } from '../activities/ports';
import type { CacheMetrics } from './cache-metrics';
import type { Configuration } from './configuration/configuration';
import { whileLeading, type Leadership } from './leadership';
import { pause } from './process-options';

const everyMs = 15_000;
/** One round a second of this many keys: a server with millions of them does not notice. */
const sweepKeys = 2_000;
const sweepPauseMs = 1_000;

export interface CacheKeeper {
  readonly configuration: Pick<Configuration, 'services'>;
  readonly caches: OutputCaches;
  readonly router: TrafficRouter;
  readonly metrics: CacheMetrics;
  readonly log: Logger;
  readonly leadership: Pick<Leadership, 'leads'>;
  readonly signal: AbortSignal;
}

/**
 * Beside the decisions, until the process ends: a cache that nobody has told of the route in force is told (a new one, one
 * that lost its memory, a route that something else changed), and what nobody can reach any more is removed little by
 * little. A change that an operation makes is the operation's; told here first, it is found done. Nothing waits for it.
 */
export async function keepCaches(keeper: CacheKeeper): Promise<void> {
  const all = keeper.configuration.services.flatMap(({ name }) => keeper.caches.of(name));
  await Promise.all(all.map((cache) => keep(cache, keeper)));
}

async function keep(cache: OutputCache, keeper: CacheKeeper): Promise<void> {
  const { log, metrics, signal } = keeper;
  const about = { service: cache.service, cache: cache.name };
  let known: string | null = '';
  let swept: number | null = null;
  await whileLeading(keeper.leadership, signal, async () => {
    let why: string | null = null;
    try {
      const state = await lookAt(cache, keeper);
      const changedAt = changeOf(state);
      if (changedAt !== swept && (await sweepAll(cache, signal))) swept = changedAt;
    } catch (error) {
      why = (error as Error).message;
      metrics.observe(about, null, null);
    }
    if (why !== known && !(known === '' && why === null)) {
      if (why === null) log.info(about, 'the cache answers again');
      else log.warn({ ...about, why }, 'the cache cannot be told of the route');
    }
    known = why;
    return everyMs;
  });
}

/** The last change, after which something may be garbage. Not its tag: a return to a version has the tag of before. */
export function changeOf({ last }: CacheState): number | null {
  return last?.at ?? null;
}

/** One look; exported for tests. */
export async function lookAt(
  cache: OutputCache,
  { router, metrics, log }: Omit<CacheKeeper, 'configuration' | 'caches' | 'signal' | 'leadership'>,
): Promise<CacheState> {
  const { service, name } = cache;
  const about = { service, cache: name };
  let state = await cache.state();
  const { record } = await router.read(service);
  // In a gap nobody serves, and which version comes is not said yet.
  if (record && !record.gap && needsTelling(state, record)) {
    const { strategy } = cache;
    const { epoch, primary: version } = record;
    const told = { service, cache: name, strategy, epoch, version, drop: [], at: Date.now(), by: 'the route in force' };
    const { outcome, why } = await bringTo(cache, router, told);
    if (outcome === 'set') log.info({ ...about, epoch, version, why }, 'the cache was told of the route in force');
    state = await cache.state();
  }
  metrics.observe(about, state, record);
  return state;
}

/** The gateway knows the route by itself. */
function needsTelling(
  { kind, epoch, version }: CacheState,
  record: { readonly epoch: number; readonly primary: string },
): boolean {
  if (kind === 'gateway') return false;
  if (epoch === null || epoch > record.epoch) return true;
  return epoch < record.epoch && version !== record.primary;
}

async function sweepAll(cache: OutputCache, signal: AbortSignal): Promise<boolean> {
  if (!cache.sweep) return true;
  for (;;) {
    const { done } = await cache.sweep({ maxKeys: sweepKeys, signal });
    if (done) return true;
    await pause(sweepPauseMs, signal);
    if (signal.aborted) return false;
  }
}
