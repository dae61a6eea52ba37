import { controlActivities, hostActivities, routerActivities } from '../activities';
import { detectionActivities, watchActivities } from '../activities/detection-activities';
import { drillActivities } from '../activities/drill-activities';
import type {
  Alerts,
  DetectionLimits,
  DrillRequests,
  Environment,
  EvidenceStore,
  ExternalParts,
  InputFits,
  InstanceEvent,
  Ledger,
  OutputCaches,
  OutsideMetrics,
  Pipelines,
} from '../activities/ports';
import { itemsActivities } from '../activities/items';
import type { ItemsActivities } from '../workflows/contract/items-activities';
import type {
  ControlActivities,
  HostActivities,
  RouterActivities,
  WatchActivities,
} from '../workflows/contract/activities';
import type { DrillActivities } from '../workflows/contract/drill';
import { externalParts } from '../adapters/serving/external-parts';
import type { Decisions } from '../api/ports';
import { openAnswerChecks } from './answer-checks';
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
  readonly decisions: Decisions & DetectionLimits & DrillRequests;
  readonly alerts: Alerts;
  readonly ledger: Ledger;
  readonly environment: Environment;
  readonly outside: OutsideMetrics;
  readonly evidence: EvidenceStore;
  readonly caches: OutputCaches;
  readonly fits: InputFits;
  readonly pipelines: Pipelines;
  /** What happens to copies, for the metrics. */
  readonly onCopyEvent?: (service: string, event: InstanceEvent['event']) => void;
}

/** Queue `lastgood-control`: the steps of the story, and the assessments beside them. */
export function controlWorkerActivities(
  sources: ControlSources,
): ControlActivities & ItemsActivities & DrillActivities {
  const { adapters, alerts, ledger, configuration, environment, outside, evidence, caches, fits, pipelines } = sources;
  const ports = {
    ledger,
    alerts,
    environment,
    outside,
    evidence,
    caches,
    fits,
    artifacts: adapters.versions,
    external: externalOf(configuration),
    router: adapters.router,
    telemetry: adapters.telemetry,
    engine: adapters.engineOf,
    model: (service: string): string | null => serviceNamed(configuration, service)?.model ?? null,
    answerChecks: openAnswerChecks(configuration),
    repeatable: (service: string): boolean => serviceNamed(configuration, service)?.repeatable ?? false,
  };
  const drills = { ...ports, detection: sources.decisions, requests: sources.decisions };
  return {
    ...controlActivities(ports),
    ...detectionActivities(ports),
    ...itemsActivities({ pipelines, evidence }),
    ...drillActivities(drills),
  };
}

function externalOf(configuration: Configuration): ExternalParts {
  return externalParts((service, name) => {
    const parts = serviceNamed(configuration, service)?.external ?? {};
    return Object.hasOwn(parts, name) ? (parts[name] ?? null) : null;
  });
}

export function watchWorkerActivities({
  configuration,
  adapters,
  environment,
  outside,
  onCopyEvent,
}: ControlSources): WatchActivities {
  return watchActivities({
    telemetry: adapters.telemetry,
    router: adapters.router,
    artifacts: adapters.versions,
    external: externalOf(configuration),
    engine: adapters.engineOf,
    serving: adapters.runtimeOf,
    servedAt: adapters.servedAt,
    environment,
    outside,
    ...(onCopyEvent && { onCopyEvent }),
  });
}

export function hostWorkerActivities({ adapters }: ActivitySources): HostActivities {
  return hostActivities({
    artifacts: adapters.versions,
    router: adapters.router,
    serving: adapters.runtimeOf,
    engine: adapters.engineOf,
  });
}

export function routerWorkerActivities({ adapters, decisions }: ActivitySources): RouterActivities {
  return routerActivities({
    router: adapters.router,
    standing: standingOf(decisions),
    artifacts: adapters.versions,
    engine: adapters.engineOf,
  });
}
