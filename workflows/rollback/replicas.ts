import { hostOfInstance, instanceOn, type ReplicaPlan } from '../../domain/hosts';
import type { PlanStep } from '../../domain/rollback/plan';
import type { Backend } from '../../domain/route';
import { control, hostOf } from '../proxies';
import type { Operation, StepResult, Trial, TrialEnd } from './operation';

/** Part of a step's deadline for the work itself; the rest is for the answer, so that it comes as an outcome. */
export const workShare = 0.8;
/** A load waits so long for the one slot of its host; the wait takes nothing of its time. */
export const slotWithinMs = 30_000;

export interface Replicas {
  readonly backend: Backend;
  readonly others: readonly Backend[];
}

type Loaded = { readonly host: string; readonly result: StepResult<{ readonly backend: Backend }> };

/**
 * A copy on each host, all at the same time. A copy that a reachable host cannot make ready speaks against the candidate; a
 * host that nobody answers for says nothing about it and is left out, as long as `minReplicas` others have theirs.
 */
export async function loadOnHosts(
  operation: Operation,
  trial: Trial,
  step: PlanStep,
  { hosts, minReplicas }: ReplicaPlan,
): Promise<TrialEnd | Replicas> {
  const { version } = trial.candidate;
  const beganAt = Date.now();
  // The copies of a dropped candidate must be gone first: their memory is the next one's (I7).
  await Promise.all(operation.stopping.values());
  const all = await Promise.all(
    hosts.map(async (host) => ({ host, result: await loadOn(operation, trial, step, host) })),
  );
  for (const { result } of all) if (result.kind === 'stopped') return { kind: 'stopped', why: result.why };
  const failed = wordsOf(all, 'failed');
  if (failed !== '') return { kind: 'failed', step: step.step, why: failed, trial };
  const ready = all.flatMap(({ result }) => (result.kind === 'done' ? [result.value.backend] : []));
  const gone = wordsOf(all, 'unreachable');
  const [backend, ...others] = ready;
  if (backend === undefined || ready.length < minReplicas) {
    const why = `${ready.length} of at least ${minReplicas} copies are ready; ${gone}`;
    return { kind: 'stuck', step: step.step, why, trial };
  }
  const leftOut = all.filter(({ result }) => result.kind === 'unreachable').map(({ host }) => host);
  const note = `${ready.map(({ instance }) => instance).join(', ')}${gone && `; left out: ${gone}`}`;
  operation.succeeded(step.step, version, Date.now() - beganAt, note, leftOut);
  return { backend, others };
}

function wordsOf(all: readonly Loaded[], kind: 'failed' | 'unreachable'): string {
  return all.flatMap(({ host, result }) => (result.kind === kind ? [`${host}: ${result.why}`] : [])).join('; ');
}

async function loadOn(operation: Operation, trial: Trial, step: PlanStep, host: string): Promise<Loaded['result']> {
  const { version, digest, warm } = trial.candidate;
  const { service, model, operation: id, host: own } = operation.input;
  if (warm !== null && (hostOfInstance(warm.instance) ?? own) === host) {
    const { proofAt: _proven, ...backend } = warm;
    return { kind: 'done', value: { backend } };
  }
  const instance = instanceOn(service, version, id, host);
  operation.started.set(instance, version);
  const readyWithinMs = Math.floor(step.deadlineMs * workShare);
  const slotMs = Math.min(slotWithinMs, Math.floor(step.deadlineMs / 2));
  const loaded = await operation.run(
    step,
    version,
    ({ scheduleToCloseTimeout, ...options }) =>
      hostOf(host).loadTarget.executeWithOptions(
        { ...options, scheduleToStartTimeout: slotMs, scheduleToCloseTimeout: slotMs + scheduleToCloseTimeout },
        [{ service, version, digest, instance, model, readyWithinMs }],
      ),
    // The others wait for it with their users.
    { stoppable: true, hostAskedOnce: true },
  );
  // Nothing was begun there that could be idle later.
  if (loaded.kind === 'unreachable' && !loaded.begun) operation.started.delete(instance);
  return loaded;
}

/** Each copy by itself, all at the same time: one that does not answer right speaks against the candidate. */
export async function probeCopies(
  operation: Operation,
  trial: Trial,
  step: PlanStep,
  copies: readonly Backend[],
): Promise<StepResult<{ readonly probes: number; readonly note?: string }>> {
  const { version, digest } = trial.candidate;
  const { service, model } = operation.input;
  const results = await Promise.all(
    copies.map(async (backend) => {
      if (backend.digest !== digest) {
        const why = `${backend.instance} reports ${backend.digest}, the decision names ${digest}`;
        operation.failed(step.step, version, why);
        return { kind: 'failed', why } as const;
      }
      return await operation.run(
        step,
        version,
        (options) => control.probeInstance.executeWithOptions(options, [{ service, version, model, backend }]),
        { stoppable: true },
      );
    }),
  );
  const bad = results.find(({ kind }) => kind === 'stopped') ?? results.find(({ kind }) => kind !== 'done');
  if (bad !== undefined && bad.kind !== 'done') return bad;
  const proven = results.flatMap((result) => (result.kind === 'done' ? [result.value] : []));
  const probes = proven.reduce((sum, value) => sum + value.probes, 0);
  // What could not be proven is the same of every copy.
  const note = proven.find((value) => value.note !== undefined)?.note;
  return { kind: 'done', value: { probes, ...(note === undefined ? {} : { note }) } };
}
