import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ledger, TrafficRouter } from '../activities/ports';
import { detachedSnippet } from '../adapters/traffic/haproxy/detached-text';
import { writeFileAtomic } from '../adapters/disk/atomic-file';
import type { ChainedEntry } from '../domain/ledger';
import {
  detectionWorkflowId,
  drillScheduleId,
  drillWorkflowId,
  retirementWorkflowId,
  rollbackWorkflowId,
} from '../workflows/contract/ids';
import type { DrillSchedules } from '../api/ports';
import { haproxyOptions } from './router';
import type { Configuration } from './configuration/configuration';

/** The entry that took lastgood out of the service; null while it is attached. */
export async function detachedBy(ledger: Pick<Ledger, 'read'>, service: string): Promise<ChainedEntry | null> {
  const [newest, before] = await ledger.read(service, { kinds: ['detached', 'attached'], newestFirst: true, limit: 2 });
  if (newest?.kind !== 'detached') return null;
  // The decision names what was under way; the entry at the end says what became of the copies.
  return newest.facts['stage'] === 'ended' && before?.kind === 'detached' ? before : newest;
}

export interface Leaving {
  readonly client: Client;
  readonly schedules: Pick<DrillSchedules, 'read' | 'remove'>;
  readonly router: TrafficRouter;
  readonly configuration: Configuration;
}

/**
 * What the detachment leaves to the controller: the workflows that would go on for ever, and the snippet for HAProxy. Done
 * again each minute, and harmless then; true when nothing was left to do.
 */
export async function leave(
  { client, schedules, router, configuration }: Leaving,
  service: string,
  entry: ChainedEntry,
): Promise<boolean> {
  const reason = entry.summary.slice(0, 200);
  const { operation, drill, retiring } = entry.facts;
  const ids = [
    detectionWorkflowId(service),
    ...(typeof operation === 'string' ? [rollbackWorkflowId(service, operation)] : []),
    ...(typeof drill === 'string' ? [drillWorkflowId(service, drill)] : []),
    // They wait for a service that is gone; the detachment stops their copies.
    ...(Array.isArray(retiring) ? retiring : []).flatMap((one) =>
      typeof one === 'string' ? [retirementWorkflowId(service, one)] : [],
    ),
  ];
  let ended = 0;
  for (const id of ids) ended += await terminate(client, id, reason);
  if ((await schedules.read(service)) !== null) {
    await schedules.remove(service);
    ended += await terminate(client, drillScheduleId(service), reason);
    ended += 1;
  }
  await writeSnippet(configuration, router, service);
  return ended === 0;
}

/** 1 where it ran. Detection refuses to be cancelled, as it would by mistake; this is the one way that is meant. */
async function terminate(client: Client, id: string, reason: string): Promise<number> {
  const handle = client.workflow.getHandle(id);
  try {
    const { status } = await handle.describe();
    if (status.name !== 'RUNNING') return 0;
    await handle.terminate(reason);
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
