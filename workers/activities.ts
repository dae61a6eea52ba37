import { controlActivities, hostActivities, routerActivities } from '../activities';
import type { Alerts, Ledger } from '../activities/ports';
import type { Decisions } from '../api/ports';
import type { Adapters } from './composition';
import { serviceNamed, type Configuration } from './configuration/configuration';
import { standingOf } from './decisions';

/** What the activities of a process are made from. */
export interface ActivitySources {
  readonly configuration: Configuration;
  readonly adapters: Adapters;
  readonly decisions: Decisions;
}

export interface ControlSources extends ActivitySources {
  readonly alerts: Alerts;
  readonly ledger: Ledger;
}

export function controlWorkerActivities(sources: ControlSources): object {
  const { adapters, alerts, ledger, configuration } = sources;
  return controlActivities({
    ledger,
    alerts,
    artifacts: adapters.store,
    router: adapters.router,
    telemetry: adapters.telemetry,
    engine: adapters.engineOf,
    repeatable: (service) => serviceNamed(configuration, service)?.repeatable ?? false,
  });
}

export function watchWorkerActivities(_sources: ControlSources): object {
  return {};
}

export function hostWorkerActivities({ adapters }: ActivitySources): object {
  return hostActivities({
    artifacts: adapters.store,
    router: adapters.router,
    serving: adapters.runtimeOf,
    engine: adapters.engineOf,
  });
}

export function routerWorkerActivities({ adapters, decisions }: ActivitySources): object {
  return routerActivities({
    router: adapters.router,
    standing: standingOf(decisions),
    artifacts: adapters.store,
    engine: adapters.engineOf,
  });
}
