import { Client, Connection } from '@temporalio/client';
import { rm } from 'node:fs/promises';
import { hostQueue, routerQueue } from '../workflows/contract/ids';
import { hostWorkerActivities, routerWorkerActivities } from './activities';
import { openAdapters } from './composition';
import { temporalDecisions } from './decisions';
import { writeJson } from './files';
import type { ProcessOptions } from './process-options';
import { installRuntime, runWorkers, type WorkerPlan } from './worker-pool';

/**
 * The host worker: one slot for everything that starts or stops what serves, one for every command to the router, so
 * that a fence never waits for a load.
 */
export async function runHost(options: ProcessOptions): Promise<void> {
  const { configuration, environment, paths, temporal, log } = options;
  installRuntime(log);
  const adapters = await openAdapters(configuration, paths, environment);
  const connection = Connection.lazy({ address: temporal.address, tls: temporal.tls });
  const client = new Client({ connection, namespace: temporal.namespace, dataConverter: temporal.dataConverter });
  const sources = { configuration, adapters, decisions: temporalDecisions(client, null) };
  const oneSlot = { maxConcurrentActivityTaskExecutions: 1, shutdownGraceTime: 500, shutdownForceTime: 8_000 };
  const plans: WorkerPlan[] = [
    { taskQueue: hostQueue(configuration.host), activities: hostWorkerActivities(sources), ...oneSlot },
    { taskQueue: routerQueue(configuration.host), activities: routerWorkerActivities(sources), ...oneSlot },
  ];
  const startedAt = Date.now();
  let reported = Promise.resolve();
  try {
    await runWorkers(plans, options, (polling) => {
      const report = { pid: process.pid, startedAt, host: configuration.host, polling };
      reported = reported
        .then(() => writeJson(paths.hostReport, report))
        .catch((error: unknown) => log.warn({ err: error }, 'no report written'));
    });
  } finally {
    await reported;
    await adapters.close();
    await connection.close().catch((error: unknown) => log.warn({ err: error }, 'the connection did not close'));
    await rm(paths.hostReport, { force: true });
  }
}
