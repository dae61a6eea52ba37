import { z } from 'zod';
import type { CacheState, OutputCache } from '../../activities/ports';
import type { CacheFigures, CacheStrategy } from '../../domain/caches/choice';
import { emptied, joined, tagOf, type CachePointer } from '../../domain/caches/pointer';
import { CacheRefused, CacheUnreachable } from './errors';
import { RedisConnection, type Redis, type RedisAddress } from './redis-connection';

export interface RedisCacheOptions {
  readonly service: string;
  readonly name: string;
  readonly address: RedisAddress;
  readonly strategy: CacheStrategy;
  readonly ttlMs: number;
  readonly slaP99Ms: number | null;
  readonly modelPerSecond: number | null;
  /** What the model itself does at the moment, without any cache. */
  readonly model: () => Promise<Pick<CacheFigures, 'requestsPerSecond' | 'missP99Ms'>>;
  /** For each call; default 1.5 s. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 1_500;
/** Two changes of one pointer at the same moment are rare, and a third one is not believed. */
const ATTEMPTS = 5;
const SCAN_COUNT = 500;
const LOOK_BACK_MS = 300_000;

/** Writes only what was read before: nobody's change is lost, and one that was made in between is seen. */
const COMPARE_AND_SET = `local found = redis.call('GET', KEYS[1])
if (found or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`;

const storedSchema = z.object({
  v: z.literal(1),
  service: z.string(),
  cache: z.string(),
  epoch: z.int().min(0),
  version: z.string(),
  tag: z.string(),
  floor: z.string(),
  series: z.record(z.string(), z.string()),
  strategy: z.enum(['invalidate', 'version-tagged']),
  ttlMs: z.number(),
  at: z.number(),
  by: z.string(),
  why: z.string(),
});
type Stored = CachePointer & { readonly why: string };

/** Where readers find which part of the cache is current: JSON of {@link CachePointer}. */
export function pointerKey(service: string, cache: string): string {
  return `lastgood:${service}:${cache}:gen`;
}

/** Where readers may tell what they found: a hash with `hits` and `misses`. */
export function useKey(service: string, cache: string): string {
  return `lastgood:${service}:${cache}:use`;
}

/** The key of an entry; `hash` is of whatever the answer depends on besides the version. */
export function entryKey(service: string, cache: string, tag: string, hash: string): string {
  return `${service}:${cache}:${tag}:${hash}`;
}

/**
 * A cache that applications keep in Redis. They look up the pointer before each use; one write to it makes everything
 * else unreachable, and what is unreachable ends by its TTL or by `sweep`.
 */
export class RedisCache implements OutputCache {
  readonly name: string;
  readonly service: string;
  readonly strategy: CacheStrategy;
  private readonly connection: RedisConnection;
  private readonly looks: { at: number; hits: number; misses: number }[] = [];
  private cursor = '0';

  constructor(private readonly options: RedisCacheOptions) {
    this.name = options.name;
    this.service = options.service;
    this.strategy = options.strategy;
    this.connection = new RedisConnection(options.address, options.timeoutMs ?? TIMEOUT_MS);
  }

  async state(): Promise<CacheState> {
    const { service, name, strategy } = this;
    const [pointer, use, memory] = await this.connection.call(`state of the cache ${name}`, async (redis) =>
      Promise.all([
        redis.get(pointerKey(service, name)),
        redis.hmGet(useKey(service, name), ['hits', 'misses']),
        redis.info('memory'),
      ]),
    );
    const stored = this.read(pointer);
    const {
      at,
      by,
      strategy: done,
      why,
      version,
      epoch,
      tag,
    } = stored ?? { at: 0, by: '', strategy: null, why: '', version: null, epoch: null, tag: null };
    return {
      kind: 'redis',
      strategy,
      ...{ version, epoch, tag },
      last: done === null ? null : { strategy: done, why, at, by },
      figures: await this.figures(use, memory),
      entries: null,
    };
  }

  async settle(
    ...[change, why, how]: Parameters<OutputCache['settle']>
  ): Promise<Awaited<ReturnType<OutputCache['settle']>>> {
    const { service, name: cache } = this;
    const { ttlMs } = this.options;
    return await this.change((before) => {
      const isAhead = how?.takeOver === true && before !== null && before.epoch > change.epoch;
      const { outcome, pointer } = joined(isAhead ? null : before, change, { service, cache, ttlMs });
      return {
        next: outcome === 'set' ? { ...pointer, why: why.slice(0, 500) } : null,
        result: { outcome, tag: pointer.tag },
      };
    });
  }

  async invalidate({ at, by }: { readonly at: number; readonly by: string }): Promise<void> {
    await this.change((before) => ({
      // Without a pointer nobody may use the cache: there is nothing that could be served.
      next: before && { ...emptied(before, at, by), why: 'emptied by hand' },
      result: null,
    }));
  }

  async sweep({
    maxKeys,
    signal,
  }: {
    readonly maxKeys: number;
    readonly signal: AbortSignal;
  }): Promise<{ removed: number; done: boolean }> {
    const { service, name } = this;
    const match = `${service}:${name}:*`;
    let removed = 0;
    for (let looked = 0; looked < maxKeys && !signal.aborted; looked += SCAN_COUNT) {
      const done = await this.connection.call(`sweep of the cache ${name}`, async (redis) => {
        // Read in each round: what is current may have changed since the last one.
        const pointer = this.read(await redis.get(pointerKey(service, name)));
        if (pointer === null) return true;
        const { cursor, keys } = await redis.scan(this.cursor, { MATCH: match, COUNT: SCAN_COUNT });
        const old = keys.filter((key) => !isReachable(key, match.length - 1, pointer));
        if (old.length > 0) removed += await redis.unlink(old);
        this.cursor = cursor;
        return cursor === '0';
      });
      if (done) return { removed, done: true };
    }
    return { removed, done: false };
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  /** Reads, computes, writes if nobody else did meanwhile, and reads back. */
  private async change<T>(
    compute: (before: Stored | null) => { readonly next: Stored | null; readonly result: T },
  ): Promise<T> {
    const key = pointerKey(this.service, this.name);
    return await this.connection.call(`pointer of the cache ${this.name}`, async (redis) => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const text = (await redis.get(key)) ?? '';
        const { next, result } = compute(this.read(text === '' ? null : text));
        if (next === null || JSON.stringify(next) === text) return result;
        if (await this.swap(redis, key, text, JSON.stringify(next))) return result;
      }
      throw new CacheUnreachable(`${key}: changed by others ${ATTEMPTS} times while it was read`);
    });
  }

  private async swap(redis: Redis, key: string, before: string, after: string): Promise<boolean> {
    const swapped = await redis.eval(COMPARE_AND_SET, { keys: [key], arguments: [before, after] });
    if (swapped !== 1) return false;
    if ((await redis.get(key)) !== after) throw new CacheUnreachable(`${key}: read back, it is not what was written`);
    return true;
  }

  private read(text: string | null): Stored | null {
    if (text === null) return null;
    const key = pointerKey(this.service, this.name);
    const parsed = storedSchema.safeParse(parse(text));
    if (parsed.success && parsed.data.service === this.service) return parsed.data;
    throw new CacheRefused(
      `${key}: found ${JSON.stringify(text.slice(0, 80))}, which lastgood did not write; remove it, or give the cache another name`,
    );
  }

  private async figures(use: (string | null)[], memory: string): Promise<CacheFigures> {
    const { slaP99Ms, modelPerSecond, model } = this.options;
    // Detection may be unable to say; the cache is changed all the same.
    const measured = await model().catch(() => ({ requestsPerSecond: null, missP99Ms: null }));
    const hitRate = this.hitRate(Number(use[0] ?? 0), Number(use[1] ?? 0), Date.now());
    const limit = numberIn(memory, 'maxmemory');
    const { requestsPerSecond: rate, missP99Ms } = measured;
    return {
      hitRate,
      // The model sees only what the cache did not answer.
      requestsPerSecond: rate === null || hitRate === null || hitRate >= 1 ? null : rate / (1 - hitRate),
      ...{ missP99Ms, slaP99Ms, modelPerSecond },
      usedBytes: numberIn(memory, 'used_memory'),
      limitBytes: limit === 0 ? null : limit,
      evicts: !/^maxmemory_policy:noeviction/m.test(memory),
    };
  }

  /** Of the last five minutes as far as this process saw them, else of all that was ever told. */
  private hitRate(hits: number, misses: number, at: number): number | null {
    if (!Number.isFinite(hits + misses) || hits + misses <= 0) return null;
    while (this.looks.length > 1 && at - (this.looks[1]?.at ?? at) > LOOK_BACK_MS) this.looks.shift();
    this.looks.push({ at, hits, misses });
    if (this.looks.length > 1_000) this.looks.shift();
    const first = this.looks[0];
    const [newHits, newMisses] = [hits - (first?.hits ?? 0), misses - (first?.misses ?? 0)];
    const isCounted = newHits >= 0 && newMisses >= 0 && newHits + newMisses > 0;
    return isCounted ? newHits / (newHits + newMisses) : hits / (hits + misses);
  }
}

/** `service:cache:<tag>:<hash>`; what has no tag is nobody's entry and left alone. */
function isReachable(key: string, prefixLength: number, pointer: CachePointer): boolean {
  const tag = key.slice(prefixLength).split(':')[0] ?? '';
  const version = /^([A-Za-z0-9._+-]+)~\d+-[0-9a-z]+$/.exec(tag)?.[1];
  return version === undefined || tag === tagOf(version, pointer);
}

function numberIn(info: string, name: string): number | null {
  const found = new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1];
  return found === undefined ? null : Number(found);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
