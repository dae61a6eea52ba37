import { ParentClosePolicy, startChild } from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { droppedBy } from '../../domain/caches/pointer';
import type { CachePolicy } from '../../domain/policy';
import type { CacheRepairInput } from '../contract/inputs';
import type { CacheSettling } from '../contract/activities';
import { cacheRepairWorkflowId } from '../contract/ids';
import { control } from '../proxies';
import { inBytes } from '../summary';
import { lostCall } from './activity-failure';
import type { Operation } from './operation';

/** How long the users' traffic is let wait for its caches: not at all. So long the operation does, before it settles. */
const CACHES_MS = 5_000;

/**
 * Every cache follows the traffic, all at the same time. One that does not is no reason to undo what was verified, nor to
 * wait for a person: it is recorded, people are told, and a workflow of its own goes on trying.
 */
export async function settleCaches(operation: Operation, version: string): Promise<void> {
  const { caches = [], kind, operation: by, service } = operation.input;
  if (caches.length === 0) return;
  const deadlineMs = operation.input.plan.find(({ step }) => step === 'caches')?.deadlineMs ?? CACHES_MS;
  const beganAt = operation.began('caches', version, deadlineMs);
  const drop = droppedBy(kind, operation.left, version);
  const epoch = (operation.record ?? operation.input.route)?.epoch ?? 0;
  const notes = await Promise.all(
    caches.map(async (cache) => {
      const { name, strategy } = cache;
      const settling = { service, cache: name, strategy, epoch, version, drop, at: beganAt, by };
      return await settleOne(operation, cache, settling, deadlineMs);
    }),
  );
  operation.succeeded('caches', version, Date.now() - beganAt, notes.join('; ').slice(0, 500));
}

async function settleOne(
  operation: Operation,
  cache: CachePolicy,
  settling: CacheSettling,
  deadlineMs: number,
): Promise<string> {
  const { cache: name, version } = settling;
  try {
    const { outcome, strategy, why, tag } = await control.settleCache.executeWithOptions(
      { scheduleToCloseTimeout: deadlineMs, summary: inBytes(`${name} → ${version}`) },
      [settling],
    );
    const words = `${name}: ${outcome === 'superseded' ? 'a newer change is in force there' : `${strategy}, ${why}`}`;
    operation.chronicle.record('step-succeeded', `cache ${words}`.slice(0, 1_000), {
      ...{ step: 'caches', cache: name, version, outcome, strategy, why, tag, drop: [...settling.drop] },
    });
    return words;
  } catch (error) {
    const { why } = lostCall(error);
    operation.failed('caches', version, `cache ${name}: ${why}`);
    await startRepair(operation, cache, settling, why);
    return `${name} does not follow yet (${why}); it is tried on in the background`;
  }
}

async function startRepair(
  { chronicle, input, left }: Operation,
  cache: CachePolicy,
  settling: CacheSettling,
  why: string,
): Promise<void> {
  const repair: CacheRepairInput = {
    settling,
    incident: input.incident,
    left,
    why: why.slice(0, 500),
    // A pinned session may still bring answers of the version that is left into the cache.
    staleUntil: settling.at + input.keepPinsMs + cache.ttlMs,
    attempts: 0,
  };
  try {
    await startChild('cacheRepairWorkflow', {
      workflowId: cacheRepairWorkflowId(settling.service, settling.by, settling.cache),
      args: [repair],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: inBytes(`${settling.cache} → ${settling.version}`),
    });
  } catch (error) {
    // A person ordered a second try, and the first repair is still at it.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    chronicle.note(`the repair of ${settling.cache} goes on`);
  }
}
