import type { TrafficRouter } from '../activities/ports';
import { watchEngines, type EngineGroup } from '../adapters/telemetry/engine-metrics';
import { gatewayObservations } from '../adapters/telemetry/gateway-observations';
import { boundsOf } from '../domain/detection/outside-metric';
import type { Configuration } from './configuration/configuration';
import type { RunPaths } from './embedded/paths';

export interface EngineMetrics {
  close(): Promise<void>;
}

/** Looks at what the serving copies tell of themselves, where a service declares such metrics, until it is closed. */
export function openEngineMetrics(
  configuration: Configuration,
  paths: RunPaths,
  router: Pick<TrafficRouter, 'read'>,
  leads: () => boolean,
  onChange: (group: { readonly service: string }, problems: readonly string[]) => void,
): EngineMetrics {
  const groups = engineGroups(configuration);
  const store = gatewayObservations({ address: paths.gatewayControl });
  const watch = watchEngines(groups, { router, store }, onChange, leads);
  return {
    async close() {
      await watch.close();
      await store.close();
    },
  };
}

/** Metrics of one service with the same interval and address are asked for once. */
export function engineGroups({ services }: Pick<Configuration, 'services'>): EngineGroup[] {
  return services.flatMap(({ name: service, metrics, serving }) => {
    const usualPort = serving.runtime === 'triton' ? serving.metricsPort : null;
    const groups = new Map<string, EngineGroup>();
    for (const { policy, source } of metrics) {
      if (source.from !== 'engine') continue;
      const { everyMs, path, query } = source;
      const port = source.port ?? usualPort;
      const key = `${everyMs} ${port ?? ''} ${path}`;
      const before = groups.get(key)?.metrics ?? [];
      const metric = { metric: policy.metric, query, ...boundsOf(policy.kind) };
      groups.set(key, { service, everyMs, path, port, metrics: [...before, metric] });
    }
    return [...groups.values()];
  });
}
