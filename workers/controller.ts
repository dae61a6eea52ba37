import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { metricSeries } from '../activities/detection/read-series';
import { versionProof } from '../adapters/artifacts/version-proof';
import type { ApiPorts } from '../api/ports';
import type { Health } from '../api/types';
import type { LedgerEntry } from '../domain/ledger';
import { CONTROL_QUEUE, WATCH_QUEUE } from '../workflows/contract/ids';
import { controlWorkerActivities, watchWorkerActivities } from './activities';

import { ActSigner } from './act-signer';
import { openAlerts } from './alerts';
import { openAdapters } from './composition';
import { temporalDecisions } from './decisions';
import { openDoors } from './doors';
import { temporalDrillSchedules } from './drill-schedules';
import { searchAttributeList } from './embedded/temporal-part';
import { writeJson } from './files';
import { ControllerMetrics, countedLedger } from './metrics';
import { openAlertLooks } from './alertmanager';
import { openEngineMetrics } from './engine-metrics';
import { openEvidence, openOutside } from './outside';
import { keepCaches } from './cache-keeper';
import { CacheMetrics } from './cache-metrics';
import { openCaches } from './caches';
import { temporalItems } from './items-control';
import { openPipelines } from './pipelines';
import { keepRegistries } from './registry-keeper';
import { pause, untilDone, type ProcessOptions } from './process-options';
import { distDirectory } from './program';
import { releaseFacts } from './release';
import { openLeadership, runWhileLeading } from './leadership';
import { newerRules } from './newer-rules';
import { keepWorkflows, Wake } from './workflow-keeper';
import { openLedger } from './ledger';
import { diskOf, keepHolds } from './legal-hold';
import { pollStatus } from './status-poll';
import { beginWebhooks, keepWebhooks, openWebhooks } from './webhooks/open-webhooks';
import { openEnvironment, openInputFits } from './surroundings';
import { ensureNamespace } from './temporal/namespace';
import { installRuntime, runWorkers, type WorkerPlan } from './worker-pool';

/** A new live version is seen so soon; measured is as often as the policy says. */
const fitsEveryMs = 15_000;
/** Or, with many services, so long for each of them. */
const fitsEachMs = 100;
const retentionDays = 90;

/**
 * The controller: workflows and light activities, the API and `/metrics`. Resolves after the signal, when everything is
 * closed. The API answers from the first moment, with or without Temporal.
 */
export async function runController(options: ProcessOptions): Promise<void> {
  const { configuration, paths, environment, temporal, log, signal } = options;
  installRuntime(log);
  const startedAt = Date.now();
  const release = releaseFacts();
  const metrics = new ControllerMetrics();
  const leadership = openLeadership(configuration, environment, options.name, log);
  const leads = (): boolean => leadership.leads();
  const book = await openLedger(configuration, environment, (error) =>
    log.error({ err: error }, 'the ledger could not be anchored'),
  );
  const adapters = await openAdapters(configuration, paths, environment, (service, version, error) =>
    log.warn({ service, version, err: error }, 'a note was not written at the registry; the next look tries again'),
  );
  const alerts = openAlerts(configuration, paths, environment, {
    terminal: false,
    process: 'controller',
    onOutcome: (sink, why) => {
      metrics.countAlert(sink, why === null);
      if (why !== null) log.warn({ sink, why }, 'an alert was not delivered');
    },
    onMemoryFault: (error) =>
      log.warn({ err: error }, 'what was shown is remembered until the end of this process only'),
  });
  const hostEnvironment = openEnvironment(configuration, adapters);
  const outside = openOutside(configuration, paths);
  const engines = openEngineMetrics(configuration, paths, adapters.router, leads, ({ service }, problems) => {
    if (problems.length > 0) log.warn({ service, problems }, 'metrics of the serving copies are not all read');
    else log.info({ service }, 'metrics of the serving copies are read again');
  });
  const alertLooks = openAlertLooks(configuration, paths, leads, ({ service }, problems) => {
    if (problems.length > 0) log.warn({ service, problems }, 'an Alertmanager cannot be asked');
    else log.info({ service }, 'the Alertmanager answers again');
  });
  const evidence = openEvidence(configuration);
  const webhooks = openWebhooks(configuration, environment);
  const caches = openCaches(configuration, paths, environment, adapters.telemetry);
  const pipelines = openPipelines(configuration, adapters, environment, paths);
  const connection = Connection.lazy({ address: temporal.address, tls: temporal.tls });
  const client = new Client({ connection, namespace: temporal.namespace, dataConverter: temporal.dataConverter });
  const signer = ActSigner.of(configuration.api.identity.actKeyFile);
  const decisions = temporalDecisions(client, signer);
  const fits = openInputFits(configuration, adapters, async (service) => {
    // Both measure, because either may be asked; one tells. The refusal makes this one tell when it leads.
    if (!leads()) throw new Error('another controller leads');
    await decisions.artifactsChanged(service);
  });
  const settled = new Set<string>();
  const counted = (entry: LedgerEntry): void => {
    metrics.countEntry(entry);
    if (entry.kind === 'settled') settled.add(entry.service);
    // What it leaves (detection, the schedule of drills) is not to go on until the next look of the minute.
    if (entry.kind === 'detached') wake.now();
  };
  const ledger = countedLedger(book, counted, (entry) => metrics.learn(entry));
  const detached = new Set<string>();
  const wake = new Wake();
  const schedules = temporalDrillSchedules(client);
  const state = { workers: false, workersWhy: 'not polling', temporal: false, temporalWhy: 'not asked yet' };

  const health = async (): Promise<Health> => {
    const gateway = await reason(adapters.router.read(configuration.services[0]?.name ?? ''));
    const unread = await reason(book.services());
    const parts: Health['parts'] = [
      { part: 'temporal', ok: state.temporal, why: state.temporalWhy },
      { part: 'workers', ok: state.workers, why: state.workers ? 'polling' : state.workersWhy },
      { part: 'ledger', ok: unread === null, why: unread ?? 'readable' },
      { part: 'gateway', ok: gateway === null, why: gateway ?? 'answers' },
    ];
    return {
      ok: parts.every(({ ok }) => ok),
      pid: process.pid,
      startedAt,
      version: release.version,
      release,
      leads: leads(),
      parts,
    };
  };
  const ports: ApiPorts = {
    services: configuration.services.map(({ name, model, chaos, policy, legalHold }) => ({
      name,
      model,
      chaos,
      regulated: policy.regulated === true,
      legalHold,
    })),
    disk: () => diskOf(configuration.dataDir),
    decisions,
    items: temporalItems(client, signer),
    schedules,
    attachmentsChanged: () => wake.now(),
    router: adapters.router,
    telemetry: adapters.telemetry,
    pushed: outside,
    alertsChanged: (service) => alertLooks.now(service),
    rollbackCallers: (service) => webhooks.callersOf(service),
    evidence,
    series: metricSeries({ telemetry: adapters.telemetry, outside }, { timeoutMs: 3_000 }),
    caches,
    ledger,
    chains: book,
    artifacts: {
      list: (service) => adapters.store.list(service),
      import: (path) => adapters.store.import(path),
      proof: (service, version) => versionProof(configuration.artifactDirectory, service, version),
    },
    metrics: { contentType: metrics.contentType, text: () => metrics.text() },
    health,
  };
  const doors = await openDoors(ports, options);
  await writeJson(paths.controllerReport, {
    pid: process.pid,
    startedAt,
    api: doors.address,
    socket: paths.apiSocket,
    tokenFile: configuration.api.tokenFile,
    temporal: { address: temporal.address, namespace: temporal.namespace },
  });

  const work = async (): Promise<void> => {
    const namespaceState = await untilDone(
      'namespace',
      () =>
        ensureNamespace(connection, {
          namespace: temporal.namespace,
          retentionDays,
          searchAttributes: searchAttributeList,
        }),
      options,
    );
    if (namespaceState === null) return;
    for (const { name, reason: why } of namespaceState.missing) log.error({ name, why }, 'search attribute left out');
    const bundle = join(distDirectory(), 'workflow-bundle.js');
    if (!existsSync(bundle)) throw new Error(`${bundle} is missing: run \`npm run build\``);
    const readable = await untilDone(
      'rules',
      async () => {
        const why = await newerRules(
          client,
          configuration.services.map(({ name }) => name),
        );
        state.workersWhy = why ?? 'not polling';
        if (why !== null) throw new Error(why);
        return true;
      },
      options,
    );
    if (readable === null) return;
    const sources = {
      configuration,
      adapters,
      alerts,
      ledger,
      decisions,
      environment: hostEnvironment,
      outside,
      evidence,
      caches,
      fits,
      pipelines,
      onCopyEvent: metrics.countCopyEvent.bind(metrics),
    };
    const plans: WorkerPlan[] = [
      {
        taskQueue: CONTROL_QUEUE,
        workflowBundle: { code: readFileSync(bundle, 'utf8') },
        activities: controlWorkerActivities(sources),
        // A killed worker's tasks wait this long for it before another (or its successor) gets them.
        stickyQueueScheduleToStartTimeout: 2_000,
        maxConcurrentActivityTaskExecutions: 64,
        maxCachedWorkflows: cachedWorkflows(configuration.services.length),
        ...ending,
      },
      {
        taskQueue: WATCH_QUEUE,
        activities: watchWorkerActivities(sources),
        maxConcurrentActivityTaskExecutions: watchSlots(configuration.services.length),
        // The heartbeat carries the evidence: a throttled one would lose what a dead watch had seen.
        maxHeartbeatThrottleInterval: 500,
        defaultHeartbeatThrottleInterval: 500,
        ...ending,
      },
    ];
    const asked = {
      ...{ client, decisions, actKeys: [signer.publicKey], registered: namespaceState.registered, ledger: book },
      ...{ leaving: { client, schedules, router: adapters.router, configuration }, detached, wake },
    };
    const keep = keepWorkflows(options, asked, leadership);
    await runWorkers(plans.filter(hasWork), options, (running) => (state.workers = running));
    await keep;
  };
  const watchTemporal = async (): Promise<void> => {
    while (!signal.aborted) {
      const why = await reason(
        connection.withDeadline(Date.now() + 2_000, () => connection.workflowService.getSystemInfo({})),
      );
      state.temporal = why === null;
      state.temporalWhy = why ?? 'answers';
      metrics.observeTemporal(why === null);
      await pause(1_000, signal);
    }
  };
  try {
    const keeper = { configuration, adapters, decisions, ledger, log, signal, leadership };
    const cacheMetrics = new CacheMetrics(metrics.registry);
    const kept = { configuration, caches, router: adapters.router, metrics: cacheMetrics, log, signal, leadership };
    const polled = { configuration, decisions, metrics, alerts, leadership, settled, detached, signal };
    const keepers = [
      keepRegistries(keeper),
      keepFits(fits, Math.max(fitsEveryMs, fitsEachMs * configuration.services.length), signal),
      keepCaches(kept),
      keepHolds({ configuration, ledger, alerts, leadership, log, signal }),
      beginWebhooks(webhooks, { ...keeper, paths }),
      runWhileLeading(leadership, signal, (leading) => keepWebhooks(webhooks, { ...keeper, paths, signal: leading })),
    ];
    await Promise.all([work(), watchTemporal(), pollStatus(polled), leadership.run(signal), ...keepers]);
  } finally {
    for (const server of doors.servers) await server.close();
    hostEnvironment.close();
    await engines.close();
    await alertLooks.close();
    await caches.close();
    await pipelines.close();
    await adapters.close();
    await outside.close();
    await connection.close().catch((error: unknown) => log.warn({ err: error }, 'the connection did not close'));
    await book.close();
    await rm(paths.controllerReport, { force: true });
  }
}

/** Each service holds up to four of them for as long as it is watched; one without a slot would not be watched at all. */
function watchSlots(services: number): number {
  return Math.max(200, 6 * services);
}

/** Two of each service, and what operations add: one that falls out is replayed at its next event. */
function cachedWorkflows(services: number): number {
  return Math.max(500, 2 * services + 200);
}

/** A worker that could do nothing cannot be made. */
function hasWork(plan: WorkerPlan): boolean {
  return plan.workflowBundle !== undefined || Object.keys(plan.activities ?? {}).length > 0;
}

/** Activities get a moment to notice the cancellation; what does not is left to its heartbeat timeout. */
const ending = { shutdownGraceTime: 500, shutdownForceTime: 8_000 } as const;

/** The first look waits until versions, route and workflows are there; it would only be told twice. */
async function keepFits(fits: { look(): Promise<void> }, everyMs: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    await pause(everyMs, signal);
    if (signal.aborted) return;
    await fits.look();
  }
}

/** Null: it answered. */
async function reason(asked: Promise<unknown>): Promise<string | null> {
  try {
    await asked;
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
