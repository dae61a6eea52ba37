import { createClient } from '@redis/client';
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { bringTo } from '../../activities/settle-cache';
import type { TrafficRouter } from '../../activities/ports';
import { entryKey, RedisCache } from '../../adapters/caches/redis';
import type { CacheStrategy, InForceStrategy } from '../../domain/caches/choice';
import { cachedAnswer } from '../../examples/redis-cache/cached-answer';
import { quantile } from '../report';
import { Model } from './model';

export interface EpisodePlan {
  readonly hitRate: number;
  readonly perSecond: number;
  readonly slaMs: number;
  readonly hotKeys: number;
  readonly pinnedShare: number;
  readonly parallel: number;
  readonly serviceMs: number;
  readonly warmUpMs: number;
  readonly beforeMs: number;
  readonly duringMs: number;
  readonly afterMs: number;
}

export interface Episode {
  /** 99th percentiles, ms. */
  readonly before: number;
  readonly during: number;
  readonly after: number;
  readonly stale: number;
  readonly strategy: InForceStrategy;
  readonly why: string;
}

type Client = ReturnType<typeof createClient>;
const SERVICE = 'mail-triage';
const NAME = 'responses';

/**
 * A version that has served before (its answers are in the cache where they may be), a deploy of the next one, and the
 * rollback, under an open load of applications that use the cache as the documentation says.
 */
export async function episode(
  port: number,
  strategy: CacheStrategy,
  plan: EpisodePlan,
  random: () => number,
): Promise<Episode> {
  const client = createClient({ socket: { host: '127.0.0.1', port } }) as unknown as Client;
  client.on('error', () => undefined);
  await client.connect();
  await client.flushAll();
  const model = new Model(plan.parallel, plan.serviceMs);
  const load = new Load(client, model, plan, random);
  const cache = new RedisCache({
    ...{
      service: SERVICE,
      name: NAME,
      strategy,
      ttlMs: 600_000,
      slaP99Ms: plan.slaMs,
      modelPerSecond: model.perSecond,
    },
    address: { host: '127.0.0.1', port, database: 0, user: null, password: null, tls: null },
    model: () => Promise.resolve(load.modelNow()),
  });
  let epoch = 0;
  const goTo = async (version: string, drop: readonly string[]): Promise<Awaited<ReturnType<typeof bringTo>>> => {
    model.version = version;
    epoch += 1;
    const change = {
      service: SERVICE,
      cache: NAME,
      strategy,
      epoch,
      version,
      drop,
      at: Date.now(),
      by: `change-${epoch}`,
    };
    return await bringTo(cache, unasked, change);
  };
  try {
    await warm(client, (await goTo('1.2', [])).tag, '1.2', plan.hotKeys);
    load.start();
    await pause(plan.warmUpMs);
    await warm(client, (await goTo('1.3', ['1.3'])).tag, '1.3', plan.hotKeys);
    const beforeFrom = performance.now();
    await pause(plan.beforeMs);
    const shiftedAt = performance.now();
    load.pinnedTo = '1.3';
    const { strategy: done, why } = await goTo('1.2', ['1.3']);
    const settledAt = performance.now();
    await pause(plan.duringMs);
    const afterFrom = performance.now();
    await pause(plan.afterMs);
    const end = performance.now();
    await load.stop();
    return {
      before: load.p99(beforeFrom, shiftedAt),
      during: load.p99(shiftedAt, afterFrom),
      after: load.p99(afterFrom, end),
      stale: load.served('1.3', settledAt),
      ...{ strategy: done, why },
    };
  } finally {
    client.destroy();
    await cache.close();
  }
}

/** Nothing here is ahead of the route, so that it is never asked. */
const unasked = {
  read: () => Promise.reject(new Error('the route was asked for')),
} as unknown as TrafficRouter;

async function warm(client: Client, tag: string | null, version: string, keys: number): Promise<void> {
  const entries = Array.from({ length: keys }, (_, index): [string, string] => [
    entryKey(SERVICE, NAME, tag ?? '', hashOf({ hot: index })),
    JSON.stringify(version),
  ]);
  await client.mSet(entries);
}

function hashOf(question: unknown): string {
  return createHash('sha256').update(JSON.stringify(question)).digest('base64url');
}

interface Asked {
  readonly at: number;
  readonly ms: number;
  readonly answer: string;
}

/** Requests at random moments, whether or not those before them were answered. */
class Load {
  private readonly asked: Asked[] = [];
  private readonly flying = new Set<Promise<void>>();
  private running = true;
  private lone = 0;
  /** Version of the sessions that stay where they began. */
  pinnedTo: string | null = null;
  private lookedAt = performance.now();
  private done: Promise<void> = Promise.resolve();

  constructor(
    private readonly client: Client,
    private readonly model: Model,
    private readonly plan: EpisodePlan,
    private readonly random: () => number,
  ) {}

  start(): void {
    this.done = this.run();
  }

  async stop(): Promise<void> {
    this.running = false;
    await this.done;
    await Promise.all(this.flying);
  }

  modelNow(): { requestsPerSecond: number | null; missP99Ms: number | null } {
    const now = performance.now();
    const times = this.model.takeTimes();
    const seconds = (now - this.lookedAt) / 1_000;
    this.lookedAt = now;
    if (times.length === 0) return { requestsPerSecond: null, missP99Ms: null };
    return { requestsPerSecond: times.length / seconds, missP99Ms: quantile(times, 0.99) };
  }

  p99(from: number, to: number): number {
    return quantile(
      this.asked.flatMap(({ at, ms }) => (at >= from && at < to ? [ms] : [])),
      0.99,
    );
  }

  /** Answers of a version to requests that began after a moment; those of pinned sessions are not looked at. */
  served(version: string, from: number): number {
    return this.asked.filter(({ at, answer }) => at >= from && answer === version).length;
  }

  private async run(): Promise<void> {
    let next = performance.now();
    while (this.running) {
      next += (-Math.log(1 - this.random()) * 1_000) / this.plan.perSecond;
      const wait = next - performance.now();
      if (wait > 0) await pause(wait);
      const flight = this.one().finally(() => this.flying.delete(flight));
      this.flying.add(flight);
    }
  }

  private async one(): Promise<void> {
    const { hitRate, hotKeys, pinnedShare } = this.plan;
    const isHot = this.random() < hitRate;
    const question = isHot ? { hot: Math.floor(this.random() * hotKeys) } : { lone: (this.lone += 1) };
    // A session of before the rollback stays on the version that it began on; its application uses the cache as well.
    const isPinned = this.pinnedTo !== null && this.random() < pinnedShare;
    const at = performance.now();
    const answer = await cachedAnswer(this.client, question, () =>
      this.model.ask(isPinned ? (this.pinnedTo ?? undefined) : undefined),
    );
    if (!isPinned) this.asked.push({ at, ms: performance.now() - at, answer: answer as string });
  }
}
