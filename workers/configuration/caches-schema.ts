import { resolve } from 'node:path';
import { z } from 'zod';
import type { CachePolicy } from '../../domain/policy';
import type { GatewayCacheConfig } from '../../gateway/protocol';
import type { CacheConfiguration } from './configuration';
import type { Contradiction } from './cross-checks';
import { duration, isLoopback, listenAddress, path, size } from './fields';
import type { ConfigurationText, ServiceText } from './schema';

/** Each is in the state of its service, which must stay small. */
const CACHES_MAX = 4;

const common = {
  strategy: z.enum(['invalidate', 'version-tagged', 'auto']).prefault('version-tagged'),
  /** The latency that is promised, as a 99th percentile: what `auto` must not break. */
  sla: duration({ min: '1ms', max: '10m' }).optional(),
  /** Requests a second that the model sustains, from a load test: `auto` counts the waiting by it. */
  modelPerSecond: z.number('requests a second').positive('requests a second').optional(),
};

const redis = z
  .strictObject({
    kind: z.literal('redis'),
    address: listenAddress,
    database: z.int().min(0).max(255).prefault(0),
    user: z.string().min(1).max(128).optional(),
    passwordFile: path.optional(),
    passwordEnv: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')
      .optional(),
    /** Certificates of the server are always checked; without `caFile` against those that Node knows. */
    tls: z.strictObject({ caFile: path.optional(), serverName: z.string().min(1).optional() }).optional(),
    /** Longest life of an entry; applications give it to each. */
    ttl: duration({ min: '1s', max: '30d' }).prefault('1h'),
    ...common,
  })
  .refine((given) => given.passwordFile === undefined || given.passwordEnv === undefined, {
    message: 'at most one of passwordFile and passwordEnv (the password itself never stands in this file)',
  });

const gateway = z.strictObject({
  kind: z.literal('gateway'),
  /** Of all kept answers together. */
  memory: size.prefault('64MiB'),
  /** Of one answer; longer ones are not kept. */
  entryMax: size.prefault('64KiB'),
  ttl: duration({ min: '1s', max: '1d' }).prefault('5m'),
  /** A request waits at most so long for the answer of one that asks the same. */
  coalesceMax: duration({ max: '1m' }).prefault('5s'),
  /** Headers of requests that change no answer; all others are part of the key, credentials too. */
  ignoreHeaders: z
    .array(z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'the name of a header'))
    .max(50)
    .prefault([]),
  ...common,
});

/** `services.<name>.caches`: output caches that must not serve answers of a version that was left, by name. */
export const cachesSchema = z
  .record(
    z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a name: lower-case letters, digits and -, at most 32'),
    z.discriminatedUnion('kind', [redis, gateway]),
  )
  .refine((caches) => Object.keys(caches).length <= CACHES_MAX, `at most ${CACHES_MAX} caches`);

type CachesText = z.output<typeof cachesSchema>;

export function resolveCaches(text: CachesText, here: string): CacheConfiguration[] {
  const orNull = (file: string | undefined): string | null => (file === undefined ? null : resolve(here, file));
  return Object.entries(text).map(([name, cache]) => {
    const { strategy, ttl: ttlMs, sla = null, modelPerSecond = null } = cache;
    const what = { name, strategy, ttlMs, slaP99Ms: sla, modelPerSecond };
    if (cache.kind === 'gateway') {
      const { memory: maxBytes, entryMax: maxEntryBytes, coalesceMax: coalesceMaxMs, ignoreHeaders } = cache;
      return { ...what, kind: cache.kind, maxBytes, maxEntryBytes, coalesceMaxMs, ignoreHeaders };
    }
    const { address, database, user = null, passwordFile, passwordEnv, tls } = cache;
    const file = orNull(passwordFile);
    return {
      ...{ ...what, kind: cache.kind, ...address, database, user },
      password: file !== null ? { file } : passwordEnv !== undefined ? { env: passwordEnv } : null,
      tls: tls === undefined ? null : { caFile: orNull(tls.caFile), serverName: tls.serverName ?? null },
    };
  });
}

/** What the policy of the service knows of them. */
export function cachePolicies(caches: readonly CacheConfiguration[]): CachePolicy[] {
  return caches.map(({ name, strategy, ttlMs }) => ({ name, strategy, ttlMs }));
}

/** What the gateway is started with. */
export function gatewayCache(caches: readonly CacheConfiguration[]): GatewayCacheConfig | null {
  const cache = caches.find(({ kind }) => kind === 'gateway');
  if (cache?.kind !== 'gateway') return null;
  const { strategy, maxBytes, maxEntryBytes, ttlMs, coalesceMaxMs, ignoreHeaders, slaP99Ms, modelPerSecond } = cache;
  return {
    ...{ strategy, maxBytes, maxEntryBytes, maxAgeMs: ttlMs, coalesceMaxMs, ignoreHeaders: [...ignoreHeaders] },
    ...(slaP99Ms === null ? {} : { slaP99Ms }),
    ...(modelPerSecond === null ? {} : { modelPerSecond }),
  };
}

export function checkCaches({ router, services }: ConfigurationText): Contradiction[] {
  return Object.entries(services).flatMap(([name, service]) =>
    checkService(service, router.kind).map((one) => ({ ...one, path: ['services', name, ...one.path] })),
  );
}

function checkService({ caches, repeatable }: ServiceText, router: 'gateway' | 'haproxy'): Contradiction[] {
  const found: Contradiction[] = [];
  const inGateway = Object.entries(caches).filter(([, { kind }]) => kind === 'gateway');
  inGateway.forEach(([name], index) => {
    const at = (problem: string): void => void found.push({ path: ['caches', name, 'kind'], problem });
    if (index > 0) at('found a second cache in the gateway, expected one');
    if (router === 'haproxy') at('found gateway with router haproxy, which passes no request to it; expected redis');
    if (!repeatable)
      at(
        'found gateway with repeatable: false: a request that has effects must reach the model each time; expected redis, or none',
      );
  });
  for (const [name, cache] of Object.entries(caches)) {
    if (cache.kind !== 'redis' || cache.tls !== undefined || isLoopback(cache.address.host)) continue;
    if (cache.passwordFile === undefined && cache.passwordEnv === undefined) continue;
    const problem = `found ${cache.address.host} with a password, which would be read on its way; expected tls ({} where a known authority signed the server's certificate)`;
    found.push({ path: ['caches', name, 'address'], problem });
  }
  return found;
}
