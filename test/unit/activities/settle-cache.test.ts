import { bringTo, settleCache } from '../../../activities/settle-cache';
import type { TrafficRouter } from '../../../activities/ports';
import type { CacheSettling } from '../../../workflows/contract/activities';
import { CacheMetrics } from '../../../workers/cache-metrics';
import { changeOf, lookAt } from '../../../workers/cache-keeper';
import { FakeOutputCache } from '../../support/fakes/output-cache';
import { pino } from 'pino';
import { Registry } from 'prom-client';

const service = 'mail';
const settling = (part: Partial<CacheSettling> = {}): CacheSettling => ({
  ...{ service, cache: 'responses', strategy: 'version-tagged', epoch: 8, version: '1.2', drop: ['1.3'] },
  ...{ at: 8_000, by: 'i-1', ...part },
});

function routerAt(epoch: number, primary: string, gap = false): TrafficRouter {
  const record = {
    service,
    epoch,
    primary,
    pins: [],
    backends: {},
    ...(gap && { gap: { since: 1, until: 2, expectedAt: 2 } }),
  };
  return { read: () => Promise.resolve({ record }) } as unknown as TrafficRouter;
}

const unasked = { read: () => Promise.reject(new Error('the router was asked')) } as unknown as TrafficRouter;

describe('a cache that is brought to a version', () => {
  it('is found done the second time', async () => {
    const cache = new FakeOutputCache(service, 'responses');
    const settle = settleCache({ caches: { of: () => [cache] }, router: unasked });
    expect(await settle(settling())).toMatchObject({
      outcome: 'set',
      strategy: 'version-tagged',
      why: 'as configured',
    });
    expect(await settle(settling({ at: 9_000 }))).toMatchObject({ outcome: 'unchanged' });
  });

  it('is chosen for by auto, with the calculation as its reason', async () => {
    const cache = new FakeOutputCache(service, 'responses', 'auto');
    cache.figures = {
      ...{ hitRate: 0.5, requestsPerSecond: 10, missP99Ms: 100, slaP99Ms: 200, modelPerSecond: null },
      usedBytes: 1,
      limitBytes: 10,
      evicts: false,
    };
    const settled = await bringTo(cache, unasked, settling({ strategy: 'auto' }));
    expect(settled.strategy).toBe('invalidate');
    expect(settled.why).toContain('hit rate 50.0 %');
    expect(cache.why).toBe(settled.why);
  });

  it('that the configuration does not have is named', async () => {
    await expect(settleCache({ caches: { of: () => [] }, router: unasked })(settling())).rejects.toMatchObject({
      name: 'CacheUnknown',
    });
  });

  it('stays where a newer change is in force, and is taken over where it is ahead of the route itself', async () => {
    const cache = new FakeOutputCache(service, 'responses');
    await cache.settle(
      { epoch: 50, version: '9.9', drop: [], strategy: 'version-tagged', at: 1, by: 'another life' },
      '',
    );
    expect((await bringTo(cache, routerAt(51, '9.9'), settling())).outcome).toBe('superseded');
    expect(cache.pointer?.version).toBe('9.9');
    expect(await bringTo(cache, routerAt(8, '1.2'), settling())).toMatchObject({ outcome: 'set' });
    expect(cache.pointer).toMatchObject({ epoch: 8, version: '1.2', series: {} });
    expect(await bringTo(cache, routerAt(8, '1.2'), settling({ at: 9_000 }))).toMatchObject({ outcome: 'unchanged' });
  });
});

it('a cache that is ahead stays where it is while the router has no record: nobody knows which version serves', async () => {
  const cache = new FakeOutputCache(service, 'responses');
  await cache.settle(
    { epoch: 50, version: '9.9', drop: [], strategy: 'version-tagged', at: 1, by: 'another life' },
    '',
  );
  const empty = { read: () => Promise.resolve({ record: null }) } as unknown as TrafficRouter;
  expect(await bringTo(cache, empty, settling())).toMatchObject({ outcome: 'superseded' });
  expect(cache.pointer).toMatchObject({ epoch: 50, version: '9.9' });
});

describe('the keeper of caches', () => {
  const registry = new Registry();
  const metrics = new CacheMetrics(registry);
  const look = (cache: FakeOutputCache, router: TrafficRouter): ReturnType<typeof lookAt> =>
    lookAt(cache, { router, metrics, log: pino({ level: 'silent' }) });

  it('tells a cache that knows no version, and one that is behind, the route in force', async () => {
    const cache = new FakeOutputCache(service, 'responses');
    expect(await look(cache, routerAt(3, '1.2'))).toMatchObject({ version: '1.2', epoch: 3 });
    const before = cache.pointer;
    await look(cache, routerAt(4, '1.2'));
    // Another record with the same version: nothing that users would notice.
    expect(cache.pointer).toEqual(before);
    expect(await look(cache, routerAt(5, '1.3'))).toMatchObject({ version: '1.3', epoch: 5 });
    expect(await registry.metrics()).toContain('lastgood_cache_behind{service="mail",cache="responses"} 0');
  });

  it('leaves the step of the operation that moved the traffic to drop what was left', async () => {
    const cache = new FakeOutputCache(service, 'responses');
    await look(cache, routerAt(7, '1.3'));
    const bad = cache.pointer?.tag;
    await look(cache, routerAt(8, '1.2'));
    await bringTo(cache, unasked, settling());
    await look(cache, routerAt(9, '1.3'));
    expect(cache.pointer?.tag).not.toBe(bad);
  });

  it('looks for garbage after each change, also after one whose tag is that of before', async () => {
    const cache = new FakeOutputCache(service, 'responses');
    const first = await look(cache, routerAt(3, '1.2'));
    await bringTo(cache, unasked, settling({ epoch: 4, version: '1.3', drop: ['1.3'], at: (first.last?.at ?? 0) + 1 }));
    await bringTo(cache, unasked, settling({ epoch: 5, version: '1.2', drop: ['1.3'], at: Date.now() + 2 }));
    const again = await look(cache, routerAt(5, '1.2'));
    expect(again.tag).toBe(first.tag);
    expect(changeOf(again)).not.toBe(changeOf(first));
  });

  it('says nothing in a gap, where nobody serves', async () => {
    const cache = new FakeOutputCache(service, 'responses');
    expect((await look(cache, routerAt(3, '1.2', true))).version).toBeNull();
  });
});
