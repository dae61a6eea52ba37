import { readFileSync } from 'node:fs';
import { alertLook, isFiring, type AlertMetric } from '../adapters/telemetry/alertmanager';
import { gatewayObservations } from '../adapters/telemetry/gateway-observations';
import { repeatLooks, type RepeatedLooks } from '../adapters/telemetry/repeated-looks';
import type { Configuration } from './configuration/configuration';
import type { RunPaths } from './embedded/paths';

/** Looks at the alerts that services declare as metrics, until it is closed; `now` after a webhook of an Alertmanager. */
export function openAlertLooks(
  configuration: Configuration,
  paths: RunPaths,
  leads: () => boolean,
  onChange: (look: { readonly service: string }, problems: readonly string[]) => void,
): RepeatedLooks {
  const store = gatewayObservations({ address: paths.gatewayControl });
  const looks = repeatLooks(
    alertMetrics(configuration).map((metric) => alertLook(metric, store)),
    onChange,
    leads,
  );
  return {
    now: (service) => looks.now(service),
    async close() {
      await looks.close();
      await store.close();
    },
  };
}

export function alertMetrics({ services }: Pick<Configuration, 'services'>): AlertMetric[] {
  return services.flatMap(({ name: service, metrics }) =>
    metrics.flatMap(({ policy, source }): AlertMetric[] => {
      if (source.from !== 'alertmanager') return [];
      const { url, labels, heartbeat, everyMs, tokenFile } = source;
      const token = tokenFile === null ? {} : { token: () => readFileSync(tokenFile, 'utf8').trim() };
      return [{ service, metric: policy.metric, url, labels, heartbeat, everyMs, ...token }];
    }),
  );
}

export { isFiring };
