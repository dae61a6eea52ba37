import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ledger, TrafficRouter } from '../activities/ports';
import { detachedSnippet } from '../adapters/traffic/haproxy/detached-text';
import { writeFileAtomic } from '../adapters/disk/atomic-file';
import { decidedRoute } from '../activities/recorded-facts';
import type { ChainedEntry } from '../domain/ledger';
import type { RouteRecord } from '../domain/route';
import { plainRecord } from '../domain/service/detach';
import type { DetachmentInput } from '../workflows/contract/detachment';
import {
  CONTROL_QUEUE,
  detachmentWorkflowId,
  detectionWorkflowId,
  drillScheduleId,
  drillWorkflowId,
  retirementWorkflowId,
  rollbackWorkflowId,
  serviceWorkflowId,
} from '../workflows/contract/ids';
import type { DrillSchedules } from '../api/ports';
import { haproxyOptions } from './router';
import type { Configuration } from './configuration/configuration';

export interface Detached {
  /** The decision: it names what was under way. */
  readonly entry: ChainedEntry;
  /** What became of the copies is in the ledger. */
  readonly ended: boolean;
}

/** The decision that took lastgood out of the service; null while it is attached. */
export async function detachedBy(ledger: Pick<Ledger, 'read'>, service: string): Promise<Detached | null> {
  const [newest, before] = await ledger.read(service, { kinds: ['detached', 'attached'], newestFirst: true, limit: 2 });
  if (newest?.kind !== 'detached') return null;
  const ended = newest.facts['stage'] === 'ended';
  return { entry: ended && before?.kind === 'detached' ? before : newest, ended };
}

export interface Leaving {
  readonly client: Client;
  readonly schedules: Pick<DrillSchedules, 'read' | 'remove'>;
  readonly router: TrafficRouter;
  readonly configuration: Configuration;
  readonly ledger: Pick<Ledger, 'read'>;
}

/**
 * What the detachment leaves to the controller: the workflows that would go on for ever, and the snippet for HAProxy. It is
 * started here where the service workflow could not. Done again each minute, and harmless then; true when nothing was left to do.
 */
export async function leave(leaving: Leaving, service: string, { entry, ended }: Detached): Promise<boolean> {
  const { client, schedules, router, configuration } = leaving;
  const reason = entry.summary.slice(0, 200);
  const { operation, drill, retiring } = entry.facts;
  const ids = [
    // Begun by a controller that had read the ledger just before the decision; the one that decided has completed by now.
    ...(ended ? [serviceWorkflowId(service)] : []),
    detectionWorkflowId(service),
    ...(typeof operation === 'string' ? [rollbackWorkflowId(service, operation)] : []),
    ...(typeof drill === 'string' ? [drillWorkflowId(service, drill)] : []),
    // They wait for a service that is gone; the detachment stops their copies.
    ...(Array.isArray(retiring) ? retiring : []).flatMap((one) =>
      typeof one === 'string' ? [retirementWorkflowId(service, one)] : [],
    ),
  ];
  let done = 0;
  for (const id of ids) done += await terminate(client, id, reason);
  if ((await schedules.read(service)) !== null) {
    // The workflows of a schedule have its id and a time.
    const running = await runningOf(client, service);
    await schedules.remove(service);
    for (const id of running) done += await terminate(client, id, reason);
    done += 1;
  }
  if (!ended && (await startDetachment(leaving, service, entry))) done += 1;
  await writeSnippet(configuration, router, service);
  return done === 0;
}

async function runningOf(client: Client, service: string): Promise<string[]> {
  const { info } = await client.schedule.getHandle(drillScheduleId(service)).describe();
  return info.runningActions.map(({ workflow }) => workflow.workflowId);
}

/**
 * The decision is durable and nobody carries it out (a restored ledger, a lost Temporal, somebody's termination): without its
 * end the service could never be attached again. True when it was started.
 */
async function startDetachment(
  { client, ledger, router, configuration }: Leaving,
  service: string,
  { seq, facts, actor }: ChainedEntry,
): Promise<boolean> {
  const { epoch } = facts;
  const of = configuration.services.find(({ name }) => name === service);
  if (typeof epoch !== 'number' || of === undefined) return false;
  const workflowId = detachmentWorkflowId(service, epoch);
  // The service workflow is about to start it.
  if ((await isRunning(client, serviceWorkflowId(service))) || (await isRunning(client, workflowId))) return false;
  // One that has just completed has written its end before that.
  const now = await detachedBy(ledger, service);
  if (now === null || now.ended || now.entry.seq !== seq) return false;
  const { policy } = of;
  const input: DetachmentInput = {
    service,
    host: configuration.controlHost,
    hosts: policy.replicas?.hosts ?? [configuration.controlHost],
    epoch,
    basis: typeof facts['basis'] === 'number' ? facts['basis'] : 0,
    route: facts['route'] === undefined ? await plainOf(router, service, epoch) : decidedRoute(facts['route']),
    actor,
    reason: typeof facts['reason'] === 'string' ? facts['reason'] : '',
    graceMs: policy.steps.stopGraceMs,
    loadMs: policy.steps.loadMs,
  };
  await client.workflow.start('detachmentWorkflow', {
    workflowId,
    taskQueue: CONTROL_QUEUE,
    args: [input],
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: `${service}: lets go`,
  });
  return true;
}

/** Of a decision whose record was too long for its entry: what serves now. */
async function plainOf(router: TrafficRouter, service: string, epoch: number): Promise<RouteRecord | null> {
  const { record } = await router.read(service);
  return record === null ? null : plainRecord(record, record.primary, epoch, Date.now());
}

async function isRunning(client: Client, id: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(id).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** 1 where it ran. Detection refuses to be cancelled, as it would by mistake; this is the one way that is meant. */
async function terminate(client: Client, id: string, reason: string): Promise<number> {
  if (!(await isRunning(client, id))) return 0;
  try {
    await client.workflow.getHandle(id).terminate(reason);
    return 1;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 0;
    throw error;
  }
}

/** Where the snippet of a detached service lies. */
export const snippetFile = (directory: string, service: string): string => join(directory, `${service}.detached.cfg`);

async function writeSnippet(configuration: Configuration, router: TrafficRouter, service: string): Promise<void> {
  const options = haproxyOptions(configuration);
  const entrance = options?.services.find(({ name }) => name === service);
  if (options === null || entrance === undefined) return;
  const { record } = await router.read(service);
  if (record?.detached === undefined) return;
  await mkdir(options.directory, { recursive: true });
  await writeFileAtomic(
    snippetFile(options.directory, service),
    detachedSnippet(options.directory, entrance, record),
    0o640,
  );
}
