import { sleep } from '@temporalio/workflow';
import type { PlanStep } from '../../domain/rollback/plan';
import { instanceName, type Backend, type Gap, type RouteRecord } from '../../domain/route';
import { control } from '../proxies';
import { inBytes } from '../summary';
import { lostCall } from './activity-failure';
import { movedInPart, notShifted, recordShift, usedUp } from './after-move';
import { move, type Moved } from './move';
import type { Operation, Trial, TrialEnd } from './operation';
import { shiftedRecord } from './records';
import { slotWithinMs, workShare } from './replicas';

const firstLookMs = 50;
const longestPauseMs = 1_000;

/**
 * Stops what serves before the target is loaded: the router answers new requests itself, running ones finish, the old copy
 * ends. From here on nobody serves until the shift, so what can be known before is known before.
 */
export async function openGap(
  operation: Operation,
  trial: Trial,
  step: PlanStep,
): Promise<TrialEnd | { readonly backend: null }> {
  const { version } = trial.candidate;
  const base = operation.record ?? operation.input.route;
  // Where nothing was live nobody has to go first. A gap of this operation goes on for its next candidate.
  if (base === null || operation.record?.gap) return { backend: null };
  const beganAt = operation.began(step.step, version, step.deadlineMs);
  const stopped = (): boolean => operation.orders.stopWhy !== null;
  if (!(await decideGap(operation, base, version, stopped)))
    return { kind: 'stopped', why: operation.orders.stopWhy ?? 'stopped' };
  const moved = await moveIntoGap(operation, base);
  if (moved === null) return usedUp(operation, trial, step);
  if (moved.kind !== 'moved') {
    movedInPart(operation, moved);
    return notShifted(operation, trial, step, moved);
  }
  const drained = await untilDrained(operation, base.primary);
  if (stopped()) return { kind: 'stopped', why: operation.orders.stopWhy ?? 'stopped' };
  const kept = await clearMemory(operation, null);
  if (kept === null) {
    operation.succeeded(step.step, version, Date.now() - beganAt, `${drained}; ${base.primary} is stopped`);
    return { backend: null };
  }
  operation.failed(step.step, version, kept);
  const why = `${kept}; ${await backToOldCopy(operation, base)}`;
  return { kind: 'stuck', step: step.step, why, trial };
}

/** It would not end, so it may serve: the router looks at it before it sends anybody there. */
async function backToOldCopy(operation: Operation, base: RouteRecord): Promise<string> {
  const epoch = operation.takeEpoch();
  if (epoch === null) return 'the granted epochs are used up';
  const moved = await move(operation, {
    epoch,
    recordAt: (at) => ({ ...base, epoch: at }),
    deadlineMs: operation.input.limits.steps.shiftMs,
    summary: `back to the old copy of ${base.primary}`,
    returnsTo: base.primary,
  });
  if (moved.kind !== 'moved') return `its old copy does not serve either (${moved.why})`;
  const { record } = moved;
  operation.record = record;
  operation.chronicle.report({ type: 'shifted', record, note: moved.note, at: moved.at });
  recordShift(operation, record, `the old copy of ${record.primary} serves again (epoch ${record.epoch})`);
  return `its old copy serves again`;
}

/** Durable before its effect, with its length. */
async function decideGap(
  operation: Operation,
  base: RouteRecord,
  version: string,
  stopped: () => boolean,
): Promise<boolean> {
  const { expectedMs, maxMs } = times(operation);
  const summary =
    `stops ${base.primary} before ${version} is loaded: memory holds one copy; ` +
    `nobody serves for about ${expectedMs} ms, promised at most ${maxMs} ms`;
  const facts = { step: 'gap', version, stops: base.primary, expectedMs, maxMs };
  return await operation.chronicle.decide('step-began', summary, facts, stopped);
}

function times({ input }: Operation): { readonly expectedMs: number; readonly maxMs: number } {
  return input.stopFirst ?? { expectedMs: input.limits.steps.loadMs, maxMs: 2 * input.limits.steps.loadMs };
}

async function moveIntoGap(operation: Operation, base: RouteRecord): Promise<Moved | null> {
  const epoch = operation.takeEpoch();
  if (epoch === null) return null;
  const { expectedMs, maxMs } = times(operation);
  const since = Date.now();
  const gap: Gap = { since, until: since + maxMs, expectedAt: since + expectedMs };
  const { service, primary } = base;
  const moved = await move(operation, {
    epoch,
    recordAt: (at) => ({ service, epoch: at, primary, pins: [], backends: {}, gap }),
    deadlineMs: operation.input.limits.steps.shiftMs,
    summary: `nobody serves, ${primary} goes first`,
  });
  if (moved.kind !== 'moved') return moved;
  const { record } = moved;
  operation.record = record;
  operation.chronicle.report({ type: 'shifted', record, note: moved.note, at: moved.at });
  recordShift(operation, record, `nobody serves: ${primary} goes first (epoch ${record.epoch}; ${moved.note})`);
  return moved;
}

/** Running requests finish first, for as long as the policy lets them. */
async function untilDrained({ input, orders }: Operation, version: string): Promise<string> {
  const { service, limits } = input;
  const until = Date.now() + limits.steps.drainMs;
  for (let pauseMs = firstLookMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    let seen: string;
    try {
      const summary = inBytes(`is ${version} drained?`);
      const { inFlight } = await control.observeDrain.executeWithOptions({ summary }, [{ service, version }]);
      if (inFlight === 0) return 'drained';
      seen = `${inFlight} requests in flight`;
    } catch (error) {
      seen = lostCall(error).why;
    }
    if (Date.now() + pauseMs > until || orders.stopWhy !== null) return `not waited for any longer: ${seen}`;
    await sleep(pauseMs, { summary: 'running requests finish' });
  }
}

/**
 * Ends every copy of the service but `keep`, whoever started it: never two at once. Null when the memory is free; else why
 * it is not. The router is asked by the stop itself, which refuses while a record in force names the copy.
 */
export async function clearMemory(operation: Operation, keep: string | null): Promise<string | null> {
  const { service, limits } = operation.input;
  try {
    const found = await operation.host.inspectInstances.executeWithOptions({ summary: 'who takes memory?' }, [service]);
    for (const { instance, state } of found) {
      if (state === 'exited' || instance === keep) continue;
      const { outcome, why } = await operation.host.stopInstance.executeWithOptions(
        { summary: inBytes(`stop ${instance}`) },
        [{ service, instance, graceMs: limits.steps.stopGraceMs }],
      );
      if (outcome === 'refused') return `${instance} could not be stopped, and memory holds one copy: ${why}`;
      operation.started.delete(instance);
      operation.chronicle.note(`${instance} is stopped: memory holds one copy`);
    }
    return null;
  } catch (error) {
    return `the memory could not be freed for one copy: ${lostCall(error).why}`;
  }
}

/** Another candidate makes the gap longer: only where the version that was left is no refuge, and in the promised time. */
export function mayGoOnInGap({ input, record }: Operation): boolean {
  const { expectedMs = 0 } = input.stopFirst ?? {};
  return input.safest === 'target' && record?.gap !== undefined && record.gap.until - Date.now() > expectedMs;
}

/** After a failed verify: what serves is stopped in turn, for the version that was left. In words what was done. */
export async function backThroughGap(operation: Operation, why: string): Promise<string> {
  const { record, left } = operation;
  const staying = `the traffic stays on ${operation.primary}`;
  if (record === null) return staying;
  const stopped = (): boolean => operation.orders.stopWhy !== null;
  if (!(await decideGap(operation, record, left ?? '', stopped))) return `${staying}: it was stopped`;
  operation.began('gap', record.primary, operation.input.limits.steps.drainMs);
  const wasShifted = operation.shifted;
  const moved = await moveIntoGap(operation, record);
  if (moved?.kind !== 'moved') return `${staying}: the way back failed (${moved?.why ?? 'no epoch is left'})`;
  operation.returned ||= wasShifted;
  await untilDrained(operation, record.primary);
  return await loadLeftAgain(operation, why);
}

/** The declared way out of a gap whose target failed: the version that served is loaded again, probed, and serves. */
export async function loadLeftAgain(operation: Operation, why: string): Promise<string> {
  const { input, chronicle, left } = operation;
  const digest = left === null ? undefined : input.route?.backends[left]?.[0]?.digest;
  const nobody = 'nobody serves';
  if (left === null || digest === undefined) return `${nobody}: no version is known that served before`;
  const stopped = (): boolean => operation.orders.stopWhy !== null;
  const facts = { step: 'return', version: left, why };
  if (!(await chronicle.decide('step-began', `loads ${left} again: ${why}`, facts, stopped)))
    return `${nobody}: it was stopped`;
  const backend = await provenCopy(operation, left, digest);
  if (typeof backend === 'string') {
    operation.failed('return', left, backend);
    return `${nobody}: ${left} could not be brought back (${backend})`;
  }
  const epoch = operation.takeEpoch();
  if (epoch === null) return `${nobody}: the granted epochs are used up`;
  const { shiftMs } = input.limits.steps;
  operation.began('return', left, shiftMs);
  const moved = await move(operation, {
    epoch,
    recordAt: (at) => shiftedRecord(operation.recordFacts(at), { version: left, backend }),
    deadlineMs: shiftMs,
    summary: `back to ${left}`,
    returnsTo: left,
  });
  if (moved.kind !== 'moved') {
    operation.failed('return', left, moved.why);
    return `${nobody}: the way back to ${left} failed (${moved.why})`;
  }
  const { record } = moved;
  operation.record = record;
  const note = `back to ${left} by a new copy; ${moved.note}`;
  chronicle.report({ type: 'shifted', record, note, at: moved.at });
  recordShift(operation, record, `${left} serves again by a new copy (epoch ${record.epoch})`);
  return `${left} serves again by a new copy`;
}

async function provenCopy(operation: Operation, version: string, digest: string): Promise<Backend | string> {
  const { service, model, operation: id, limits } = operation.input;
  await Promise.all(operation.stopping.values());
  operation.backLoads += 1;
  const instance = instanceName(service, version, `${id}-back-${operation.backLoads}`);
  const kept = await clearMemory(operation, instance);
  if (kept !== null) return kept;
  operation.started.set(instance, version);
  const { loadMs, probeMs } = limits.steps;
  const mayTake = { stoppable: true, ownTime: true };
  const loaded = await operation.run(
    { step: 'load', deadlineMs: loadMs, because: '' },
    version,
    ({ scheduleToCloseTimeout, ...options }) =>
      operation.host.loadTarget.executeWithOptions(
        {
          ...options,
          scheduleToStartTimeout: slotWithinMs,
          scheduleToCloseTimeout: slotWithinMs + scheduleToCloseTimeout,
        },
        [{ service, version, digest, instance, model, readyWithinMs: Math.floor(loadMs * workShare) }],
      ),
    mayTake,
  );
  if (loaded.kind !== 'done') return loaded.why;
  const { backend } = loaded.value;
  const probed = await operation.run(
    { step: 'probe', deadlineMs: probeMs, because: '' },
    version,
    (options) => control.probeInstance.executeWithOptions(options, [{ service, version, model, backend }]),
    mayTake,
  );
  return probed.kind === 'done' ? backend : probed.why;
}
