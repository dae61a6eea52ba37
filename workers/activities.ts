import { controlActivities, hostActivities, routerActivities } from '../activities';
import { watchActivities } from '../activities/detection-activities';
import type { Alerts, Environment, Ledger } from '../activities/ports';
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
  readonly environment: Environment;
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
    repeatable: repeatableIn(configuration),
  });
}

export function watchWorkerActivities({ adapters, environment }: ControlSources): object {
  return watchActivities({
    telemetry: adapters.telemetry,
    router: adapters.router,
    artifacts: adapters.store,
    engine: adapters.engineOf,
    environment,
  });
}

function repeatableIn(configuration: Configuration): (service: string) => boolean {
  return (service) => serviceNamed(configuration, service)?.repeatable ?? false;
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
