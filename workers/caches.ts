import type { OutputCache, OutputCaches, Telemetry } from '../activities/ports';
import { GatewayCache } from '../adapters/caches/gateway';
import { RedisCache } from '../adapters/caches/redis';
import type { CacheFigures } from '../domain/caches/choice';
import { weightedQuantile } from '../domain/caches/model-figures';
import type { CacheConfiguration, Configuration, ServiceConfiguration } from './configuration/configuration';
import type { RunPaths } from './embedded/paths';
import type { Environment } from './environment';
import { passwordOf } from './ledger';

/** What the model did lately is judged over this. */
const LOOK_BACK_MS = 300_000;
/** Another gateway that does not answer must not use up the time of the step. */
const GATEWAY_TIMEOUT_MS = 1_500;

export type OpenCaches = OutputCaches & { close(): Promise<void> };

/** @throws ConfigurationError where a password cannot be read */
export function openCaches(
  configuration: Configuration,
  paths: RunPaths,
  environment: Environment,
  telemetry: Pick<Telemetry, 'window'>,
): OpenCaches {
  const caches = new Map(
    configuration.services.map((service) => [
      service.name,
      service.caches.map((cache) => open(cache, service, { configuration, paths, environment, telemetry })),
    ]),
  );
  return {
    of: (service) => caches.get(service) ?? [],
    close: async () => void (await Promise.all([...caches.values()].flat().map((cache) => cache.close()))),
  };
}

interface Around {
  readonly configuration: Configuration;
  readonly paths: RunPaths;
  readonly environment: Environment;
  readonly telemetry: Pick<Telemetry, 'window'>;
}

function open(cache: CacheConfiguration, { name: service }: ServiceConfiguration, around: Around): OutputCache {
  const { configuration, paths, environment, telemetry } = around;
  const { name, strategy, slaP99Ms, modelPerSecond, ttlMs } = cache;
  const what = { service, name, strategy, slaP99Ms, modelPerSecond };
  if (cache.kind === 'gateway') {
    const own = { name: configuration.controlHost, control: { address: paths.gatewayControl } };
    const others = configuration.router.others.map((other) => ({
      name: other.name,
      control: { address: other.control },
    }));
    const gateways = [own, ...others].map((each) => ({
      ...each,
      control: { ...each.control, timeoutMs: GATEWAY_TIMEOUT_MS },
    }));
    return new GatewayCache({ ...what, gateways });
  }
  const { host, port, database, user, tls } = cache;
  const password = passwordOf(cache, environment, `${configuration.file}: services.${service}.caches.${name}`);
  return new RedisCache({
    ...what,
    ttlMs,
    address: { host, port, database, user, password, tls },
    model: () => modelFigures(telemetry, service, Date.now()),
  });
}

/** Every request that the router counted is one that the applications' cache did not answer. */
async function modelFigures(
  telemetry: Pick<Telemetry, 'window'>,
  service: string,
  now: number,
): Promise<Pick<CacheFigures, 'requestsPerSecond' | 'missP99Ms'>> {
  const rows = (await telemetry.window(service, now - LOOK_BACK_MS, now)).filter(({ cohort }) => cohort === 'live');
  const requests = rows.reduce((sum, row) => sum + row.requests, 0);
  const latencies = rows.flatMap(({ latency }) => (latency ? [{ value: latency.p99Ms, weight: latency.count }] : []));
  const first = Math.min(now, ...rows.map(({ fromMs }) => fromMs));
  return {
    requestsPerSecond: requests === 0 ? null : requests / (Math.max(1_000, now - first) / 1_000),
    missP99Ms: weightedQuantile(latencies, 0.99),
  };
}
