import { createClient } from '@redis/client';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { GatewayCache } from '../../adapters/caches/gateway';
import { entryKey, pointerKey, RedisCache, type RedisCacheOptions } from '../../adapters/caches/redis';
import type { CacheChange, CachePointer } from '../../domain/caches/pointer';
import { cachedAnswer } from '../../examples/redis-cache/cached-answer';
import { outputCacheContract } from '../support/contracts/output-cache';
import { FakeOutputCache } from '../support/fakes/output-cache';
import { route, startGateway } from '../support/gateway-process';
import { until } from '../support/poll';
import { describeRedis, RedisServer } from '../support/redis-server';
import { Upstream } from '../support/upstreams';

jest.setTimeout(60_000);

const withRedis = describeRedis('output caches in Redis');
const options = { service: 'mail-triage', name: 'responses', strategy: 'version-tagged', ttlMs: 60_000 } as const;
const unknown = { slaP99Ms: null, modelPerSecond: null };

outputCacheContract('the fake', () => {
  const cache = new FakeOutputCache('mail-triage', 'responses');
  const kept = new Set<string>();
  return Promise.resolve({
    cache,
    route: () => Promise.resolve(),
    ask: () => {
      const { tag, version } = cache.pointer as CachePointer;
      const cached = kept.has(tag);
      kept.add(tag);
      return Promise.resolve({ version, cached });
    },
    fail: () => Promise.resolve(cache.fail()),
    close: () => Promise.resolve(),
  });
});

type Client = ReturnType<typeof createClient>;

async function clientOf(server: RedisServer, password?: string): Promise<Client> {
  const client = createClient({ socket: { host: '127.0.0.1', port: server.port }, ...(password && { password }) });
  client.on('error', () => undefined);
  await client.connect();
  return client as unknown as Client;
}

function cacheAt(server: RedisServer, part: Partial<RedisCacheOptions> = {}): RedisCache {
  const model = (): Promise<{ requestsPerSecond: null; missP99Ms: null }> =>
    Promise.resolve({ requestsPerSecond: null, missP99Ms: null });
  // A busy machine is not a server that is away; the tests of those say how long they wait.
  return new RedisCache({ ...options, ...unknown, address: server.address, model, timeoutMs: 10_000, ...part });
}

outputCacheContract(
  'Redis',
  async () => {
    const server = await RedisServer.start();
    const client = await clientOf(server);
    const cache = cacheAt(server);
    let serves = '1.1';
    return {
      cache,
      route: (_, version) => Promise.resolve(void (serves = version)),
      ask: async () => {
        let cached = true;
        const ask = (): Promise<{ version: string; answer: string }> => {
          cached = false;
          return Promise.resolve({ version: serves, answer: serves });
        };
        return { version: (await cachedAnswer(client, 'hello', ask)) as string, cached };
      },
      fail: () => server.crash(),
      close: async () => {
        client.destroy();
        await cache.close();
        await server.stop();
      },
    };
  },
  withRedis,
);

outputCacheContract('the gateway', async () => {
  const [v1, v2] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
  const keeps = { maxBytes: 1 << 20, maxEntryBytes: 65_536, maxAgeMs: 60_000, coalesceMaxMs: 1_000, ignoreHeaders: [] };
  const gateway = await startGateway({ services: [{ name: 'mail', cache: { strategy: 'version-tagged', ...keeps } }] });
  const control = { address: gateway.config.control as { socket: string }, timeoutMs: 5_000 };
  const cache = new GatewayCache({
    ...{ service: 'mail', name: 'answers', strategy: 'version-tagged', ...unknown },
    gateways: [{ name: 'here', control }],
  });
  const backends = { '1.1': [v1.backend()], '1.2': [v2.backend()] };
  return {
    cache,
    route: async (epoch, version) => void (await gateway.apply(route(epoch, version, backends))),
    ask: async () => {
      const { headers, body } = await request(`${gateway.address()}/infer`, {
        ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"text":"hello"}' },
      });
      await body.dump();
      return { version: String(headers['x-lastgood-version']), cached: headers['x-lastgood-cache'] === 'hit' };
    },
    fail: () => gateway.kill(),
    close: async () => {
      await cache.close();
      await Promise.all([gateway.kill(), v1.kill(), v2.kill()]);
    },
  };
});

withRedis('a cache in Redis', () => {
  let server: RedisServer;
  let client: Client;
  let cache: RedisCache;
  let opened: RedisCache[] = [];
  let servers: RedisServer[] = [];
  const change = (epoch: number, version: string, part: Partial<CacheChange> = {}): CacheChange => ({
    ...{ epoch, version, drop: [], strategy: 'version-tagged', at: 1_000 * epoch, by: `operation-${epoch}`, ...part },
  });
  const pointer = async (): Promise<CachePointer> =>
    JSON.parse((await client.get(pointerKey('mail-triage', 'responses'))) ?? 'null') as CachePointer;
  beforeAll(async () => {
    server = await RedisServer.start();
    client = await clientOf(server);
  });
  afterAll(async () => {
    client.destroy();
    await server.stop();
  });
  beforeEach(async () => {
    await client.flushAll();
    await client.configResetStat();
    cache = cacheAt(server);
  });
  afterEach(async () => {
    await Promise.all([cache, ...opened].map((each) => each.close()));
    await Promise.all(servers.map((each) => each.stop()));
    opened = [];
    servers = [];
  });
  /** One of its own, for what happens to a server. */
  async function another(more: Parameters<typeof RedisServer.start>[0] = {}): Promise<RedisServer> {
    const started = await RedisServer.start(more);
    servers.push(started);
    return started;
  }

  it('is used by applications as the documentation says', () => {
    const source = readFileSync(join(__dirname, '..', '..', 'examples', 'redis-cache', 'cached-answer.ts'), 'utf8');
    const documented = source.slice(source.indexOf('// begin\n') + 9, source.indexOf('// end'));
    expect(readFileSync(join(__dirname, '..', '..', 'docs', 'caches.md'), 'utf8')).toContain(documented.trim());
  });

  it('keeps no answer of another version than the current one: a pinned session must not bring the old one back', async () => {
    await cache.settle(change(1, '1.2'), '');
    const pinned = { version: '1.3', answer: 'of the bad one' };
    expect(await cachedAnswer(client, 'q', () => Promise.resolve(pinned))).toBe('of the bad one');
    expect(await cachedAnswer(client, 'q', () => Promise.resolve({ version: '1.2', answer: 'good' }))).toBe('good');
    expect(await cachedAnswer(client, 'q', () => Promise.reject(new Error('asked again')))).toBe('good');
  });

  it('changes in constant time: by reads and one write of its own key, never by a look at the others', async () => {
    await cache.settle(change(1, '1.1'), '');
    for (const strategy of ['invalidate', 'version-tagged'] as const)
      await cache.settle(change(strategy === 'invalidate' ? 2 : 3, '1.2', { strategy, drop: ['1.1'] }), '');
    await cache.invalidate({ at: 9_000, by: 'ann' });
    const used = [...(await client.info('commandstats')).matchAll(/^cmdstat_([a-z|]+):calls=(\d+)/gm)].map(
      ([, name]) => name ?? '',
    );
    for (const name of ['keys', 'scan', 'flushdb', 'flushall', 'del', 'unlink']) expect(used).not.toContain(name);
  });

  it('of two changes at the same moment, also from two controllers, the higher epoch stays', async () => {
    const other = cacheAt(server);
    await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        (index % 2 ? cache : other).settle(change(index + 1, `1.${index}`), '').catch(() => null),
      ),
    );
    await cache.settle(change(8, '1.7'), '');
    expect(await pointer()).toMatchObject({ epoch: 8, version: '1.7' });
    await other.close();
  });

  it('is taken over where it is ahead of the route, once', async () => {
    await cache.settle(change(50, '9.9'), '');
    const before = await pointer();
    expect((await cache.settle(change(2, '1.2'), '')).outcome).toBe('superseded');
    expect((await cache.settle(change(2, '1.2'), 'anew', { takeOver: true })).outcome).toBe('set');
    const after = await pointer();
    expect(after).toMatchObject({ epoch: 2, version: '1.2', series: {} });
    expect(after.floor).not.toBe(before.floor);
    expect((await cache.settle(change(2, '1.2', { at: 77_000 }), 'anew', { takeOver: true })).outcome).toBe(
      'unchanged',
    );
  });

  it.each([
    ['a hash', async (key: string) => void (await client.hSet(key, 'a', '1')), /WRONGTYPE/],
    [
      'a text of somebody else',
      async (key: string) => void (await client.set(key, 'v17')),
      /found "v17", which lastgood did not write/,
    ],
    [
      'the pointer of another service',
      async (key: string) =>
        void (await client.set(key, JSON.stringify({ ...(await madePointer()), service: 'other', why: '' }))),
      /did not write/,
    ],
  ])('leaves %s at its key alone, and says so', async (_, put, words) => {
    const key = pointerKey('mail-triage', 'responses');
    await put(key);
    const before = await client.type(key);
    await expect(cache.settle(change(3, '1.2'), '')).rejects.toMatchObject({
      name: 'CacheRefused',
      message: expect.stringMatching(words) as string,
    });
    expect(await client.type(key)).toBe(before);
  });

  async function madePointer(): Promise<CachePointer> {
    await cache.settle(change(1, '1.1'), '');
    return await pointer();
  }

  it('does not trust a wrong password, and never shows it', async () => {
    const guarded = await another({ password: 'right-one' });
    const wrong = cacheAt(guarded, { address: { ...guarded.address, password: () => 'wrong-one' } });
    const none = cacheAt(guarded, { address: { ...guarded.address, password: null } });
    const right = cacheAt(guarded);
    const fault = await wrong.settle(change(1, '1.1'), '').catch((error: Error) => error);
    expect(fault).toMatchObject({ name: 'CacheRefused', message: expect.stringMatching(/WRONGPASS/) as string });
    expect(String((fault as Error).message)).not.toContain('wrong-one');
    await expect(none.settle(change(1, '1.1'), '')).rejects.toMatchObject({ name: 'CacheRefused' });
    expect((await right.settle(change(1, '1.1'), '')).outcome).toBe('set');
    await Promise.all([wrong, none, right].map((each) => each.close()));
  });

  it('frozen, it is given up within the limit, also by who was not connected yet; thawed, it is asked again', async () => {
    const frozen = await another();
    const patient = cacheAt(frozen);
    const [connected, stranger] = [cacheAt(frozen, { timeoutMs: 300 }), cacheAt(frozen, { timeoutMs: 300 })];
    opened.push(patient, connected, stranger);
    await patient.settle(change(1, '1.1'), '');
    await until('it is connected', () =>
      connected.state().then(
        () => true,
        () => false,
      ),
    );
    frozen.freeze();
    for (const one of [connected, stranger]) {
      const began = performance.now();
      await expect(one.settle(change(2, '1.2', { drop: ['1.1'] }), '')).rejects.toMatchObject({
        name: 'CacheUnreachable',
        message: expect.stringMatching(/no answer within 300 ms/) as string,
      });
      expect(performance.now() - began).toBeLessThan(10_000);
    }
    frozen.thaw();
    // What was asked for before may have come through after all; once more is once.
    expect((await patient.settle(change(2, '1.2', { drop: ['1.1'] }), '')).outcome).not.toBe('superseded');
    expect(await patient.state()).toMatchObject({ epoch: 2, version: '1.2' });
  });

  it('restarted empty, nobody uses it until it is told the version, and then under a tag of its own', async () => {
    const empty = await another();
    const lost = cacheAt(empty);
    opened.push(lost);
    const { tag } = await lost.settle(change(4, '1.2'), '');
    await empty.crash();
    await empty.run();
    await until('it answers again', () =>
      lost.state().then(
        () => true,
        () => false,
      ),
    );
    expect((await lost.state()).version).toBeNull();
    expect((await lost.settle(change(4, '1.2', { at: 4_001 }), '')).tag).not.toBe(tag);
  });

  it('sweeps what nobody can reach, a bounded part at a time, and nothing else', async () => {
    const { tag: old } = await cache.settle(change(1, '1.1'), '');
    const { tag: kept } = await cache.settle(change(2, '1.2'), '');
    const keys = (tag: string | null, n: number): [string, string][] =>
      Array.from({ length: n }, (_, index) => [entryKey('mail-triage', 'responses', tag ?? '', String(index)), '1']);
    await client.mSet([...keys(old, 1_500), ...keys(kept, 700)]);
    await client.mSet({ 'mail-triage:responses:by-hand': '1', 'mail-triage:other:1.1~1-rs:1': '1', foreign: '1' });
    const signal = new AbortController().signal;
    // Both versions are in good standing: nothing is garbage.
    for (let done = false; !done;) ({ done } = await cache.sweep({ maxKeys: 10_000, signal }));
    expect(await client.dbSize()).toBe(2_200 + 3 + 1);
    await cache.settle(change(3, '1.2', { drop: ['1.1'] }), '');
    const first = await cache.sweep({ maxKeys: 500, signal });
    expect(first.done).toBe(false);
    let removed = first.removed;
    for (let done = false; !done;) {
      const round = await cache.sweep({ maxKeys: 500, signal });
      removed += round.removed;
      done = round.done;
    }
    expect(removed).toBe(1_500);
    expect(await client.dbSize()).toBe(700 + 3 + 1);
  });

  it('knows the hit rate from what its readers tell, and nothing without', async () => {
    await cache.settle(change(1, '1.1'), '');
    expect((await cache.state()).figures).toMatchObject({ hitRate: null, limitBytes: null, evicts: false });
    for (const question of ['a', 'b', 'a', 'a'])
      await cachedAnswer(client, question, () => Promise.resolve({ version: '1.1', answer: 1 }));
    // Told beside the answer: behind the last of it on the same connection.
    await client.ping();
    expect((await cache.state()).figures.hitRate).toBeCloseTo(0.5);
    await client.hIncrBy('lastgood:mail-triage:responses:use', 'hits', 100);
    // Of what came since the last look.
    expect((await cache.state()).figures.hitRate).toBeCloseTo(1);
  });
});
