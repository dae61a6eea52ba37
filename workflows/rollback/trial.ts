import { hostOfInstance, instanceOn } from '../../domain/hosts';
import type { PlanStep } from '../../domain/rollback/plan';
import { instanceName, type Backend } from '../../domain/route';
import type { PreparedTarget } from '../contract/activities';
import { control, hostOf } from '../proxies';
import { lostCall } from './activity-failure';
import { settleCaches } from './caches';
import { clearMemory, openGap } from './gap';
import { beginItems } from './items';
import type { Operation, StepResult, Trial, TrialEnd } from './operation';
import { loadOnHosts, probeCopies, slotWithinMs, workShare } from './replicas';
import { shift, stages, toSafest } from './shift';
import { madeAhead, prepareTogether } from './together';

/** The steps of one candidate's plan, in order; each must succeed before the next one begins. */
export async function tryCandidate(operation: Operation, begun: Trial): Promise<TrialEnd> {
  let trial = begun;
  let ahead: PreparedTarget | null = null;
  for (const step of trial.plan.slice(begun.from)) {
    const here: Trial = { ...trial, from: trial.plan.indexOf(step) };
    if (!isBehindShift(step)) {
      if (operation.orders.stopWhy !== null) return { kind: 'stopped', why: operation.orders.stopWhy };
      if (operation.remainingMs === 0) {
        const { totalMs } = operation.input.limits.attempts;
        return { kind: 'stuck', step: step.step, why: `the time for attempts (${totalMs} ms) is over`, trial: here };
      }
    }
    if (step.step === 'validate') {
      const prepared = await prepareTogether(operation, here, step);
      if (prepared?.kind === 'stopped') return prepared;
      ahead = prepared;
    }
    const made = ahead && madeAhead(operation, here, step, ahead);
    if (made !== null && 'why' in made) return { kind: 'failed', step: step.step, why: made.why, trial: here };
    const end = made ?? (await runStep(operation, here, step));
    if ('kind' in end) return end;
    trial = { ...trial, ...end };
  }
  return { kind: 'settled', why: `${trial.candidate.version} serves and was verified` };
}

type Progress = { readonly backend: Backend | null; readonly others?: readonly Backend[] };

async function runStep(operation: Operation, trial: Trial, step: PlanStep): Promise<TrialEnd | Progress> {
  const backend = trial.backend;
  switch (step.step) {
    case 'validate':
      return await validate(operation, trial, step);
    case 'gap':
      return await openGap(operation, trial, step);
    case 'load':
      return await load(operation, trial, step);
    case 'caches':
      await settleCaches(operation, trial.candidate.version);
      return { backend };
    case 'items':
      await beginItems(operation, trial.candidate.version);
      return { backend: trial.backend };
    case 'settle':
      return await settle(operation, trial, step);
    case 'probe':
    case 'shadow':
    case 'stages':
    case 'shift':
    case 'verify':
      break;
  }
  // Only a plan that forgot to load gets here without a copy; no request may go to a version that does not run.
  if (backend === null) return { kind: 'failed', step: step.step, why: 'no copy of it runs', trial };
  const running = { ...trial, backend };
  switch (step.step) {
    case 'probe':
      return await probe(operation, running, step);
    case 'shadow':
      return await shadow(operation, running, step);
    case 'stages':
      return (await stages(operation, running, step)) ?? { backend };
    case 'shift':
      return (await shift(operation, running, step)) ?? { backend };
    case 'verify':
      return await verify(operation, running, step);
  }
}

async function validate(operation: Operation, trial: Trial, step: PlanStep): Promise<TrialEnd | Progress> {
  const { version, digest } = trial.candidate;
  const { service } = operation.input;
  const beganAt = Date.now();
  const result = await operation.run(
    step,
    version,
    (options) => control.validateArtifact.executeWithOptions(options, [{ service, version, digest }]),
    { stoppable: true },
  );
  if (result.kind !== 'done') return ended(result, trial, step);
  operation.succeeded(
    step.step,
    version,
    Date.now() - beganAt,
    result.value.note ?? 'every file is what its manifest says',
  );
  return { backend: trial.backend };
}

async function load(operation: Operation, trial: Trial, step: PlanStep): Promise<TrialEnd | Progress> {
  const { version, digest, warm } = trial.candidate;
  const { service, model, operation: id, replicas } = operation.input;
  if (replicas !== undefined) return await loadOnHosts(operation, trial, step, replicas);
  if (warm !== null) {
    const { proofAt, ...backend } = warm;
    operation.succeeded(
      step.step,
      version,
      0,
      `runs already as ${backend.instance}, proven at ${new Date(proofAt).toISOString()}`,
    );
    return { backend };
  }
  // The copy of a dropped candidate must be gone first: its memory is the next one's (I7).
  await Promise.all(operation.stopping.values());
  const instance = instanceName(service, version, id);
  operation.started.set(instance, version);
  const blocked = operation.input.stopFirst ? await clearMemory(operation, instance) : null;
  if (blocked !== null) return { kind: 'stuck', step: step.step, why: blocked, trial };
  const slotMs = Math.min(slotWithinMs, Math.floor(step.deadlineMs / 2));
  const beganAt = Date.now();
  const result = await operation.run(
    step,
    version,
    ({ scheduleToCloseTimeout, ...options }) =>
      operation.host.loadTarget.executeWithOptions(
        { ...options, scheduleToStartTimeout: slotMs, scheduleToCloseTimeout: slotMs + scheduleToCloseTimeout },
        [{ service, version, digest, instance, model, readyWithinMs: Math.floor(step.deadlineMs * workShare) }],
      ),
    { stoppable: true },
  );
  if (result.kind !== 'done') return ended(result, trial, step);
  const { backend, found } = result.value;
  // What runs at an address of its own has a name of its own; it was not started here and is not ours to stop.
  if (backend.instance !== instance) operation.started.delete(instance);
  operation.succeeded(step.step, version, Date.now() - beganAt, found ? `${instance} was found running` : instance);
  return { backend };
}

type RunningTrial = Trial & { readonly backend: Backend };

async function probe(operation: Operation, trial: RunningTrial, step: PlanStep): Promise<TrialEnd | Progress> {
  const { backend, others = [], candidate } = trial;
  const beganAt = Date.now();
  const result = await probeCopies(operation, trial, step, [backend, ...others]);
  if (result.kind !== 'done') return ended(result, trial, step);
  const { probes, note } = result.value;
  const copies = others.length === 0 ? '' : ` on ${others.length + 1} copies`;
  const seen = `ready, digest right, ${probes} golden probes${copies}`;
  operation.succeeded(
    step.step,
    candidate.version,
    Date.now() - beganAt,
    note === undefined ? seen : `${seen}, ${note}`,
  );
  return { backend };
}

async function shadow(operation: Operation, trial: RunningTrial, step: PlanStep): Promise<TrialEnd | Progress> {
  const { backend, candidate } = trial;
  const { version } = candidate;
  const { service, model, limits } = operation.input;
  const replay = { maxInputs: 200, budgetMs: Math.max(1_000, Math.floor(limits.steps.probeMs * workShare)) };
  const against = operation.left;
  if (against === null) return { backend };
  const beganAt = Date.now();
  const result = await operation.run(
    step,
    version,
    (options) =>
      control.shadowReplay.executeWithOptions(options, [{ service, version, model, backend, replay, against }]),
    { stoppable: true },
  );
  if (result.kind !== 'done') return ended(result, trial, step);
  operation.succeeded(step.step, version, Date.now() - beganAt, result.value.note);
  return { backend };
}

async function verify(operation: Operation, trial: RunningTrial, step: PlanStep): Promise<TrialEnd | Progress> {
  const { version, digest } = trial.candidate;
  const { service, model, limits } = operation.input;
  const epoch = operation.record?.epoch ?? 0;
  const beganAt = Date.now();
  const result = await operation.run(
    step,
    version,
    (options) =>
      control.verifyShift.executeWithOptions(options, [
        {
          service,
          version,
          model,
          digest,
          epoch,
          sinceMs: servesSince(operation, version) ?? beganAt,
          goodAnswers: limits.verify.goodAnswers,
          maxMs: limits.verify.verifyMaxMs,
        },
      ]),
    { stoppable: false },
  );
  if (result.kind === 'done') {
    const { goodAnswers, byProbesOnly, note, ms } = result.value;
    operation.verified = { goodAnswers, ms, byProbesOnly };
    operation.succeeded(step.step, version, Date.now() - beganAt, note);
    return { backend: trial.backend };
  }
  const where = await toSafest(operation, result.why);
  // Traffic that went back must come again through the shift, after new probes where the plan has them.
  const stays = operation.primary === version && !operation.inGap;
  const again = stays ? trial.plan.indexOf(step) : firstStepTowardsShift(trial.plan);
  operation.shiftedAt = null;
  return { kind: 'stuck', step: step.step, why: `${result.why}; ${where}`, trial: { ...trial, from: again } };
}

/** Answers count from when the version served everybody: before the shift already, where the router fell back to it. */
function servesSince({ input, shiftedAt }: Operation, version: string): number | null {
  const { fallbackSince, route } = input;
  if (shiftedAt === null || fallbackSince === null || route?.fallback !== version) return shiftedAt;
  return Math.min(shiftedAt, fallbackSince);
}

async function settle(operation: Operation, trial: Trial, step: PlanStep): Promise<Progress> {
  const { version } = trial.candidate;
  const beganAt = operation.began(step.step, version, step.deadlineMs);
  const { behind } = await operation.chronicle.untilWritten();
  const note = behind === 0 ? 'everything is in the ledger' : `the ledger is ${behind} entries behind; they follow`;
  operation.succeeded(step.step, version, Date.now() - beganAt, note);
  return { backend: trial.backend };
}

/**
 * Stops the copy of a dropped candidate in the background, when it was started here. What cannot be stopped is named at
 * the end, for the service to retire.
 */
export function discard(operation: Operation, trial: Trial): void {
  const { service, operation: id, replicas } = operation.input;
  const { version } = trial.candidate;
  const names =
    replicas === undefined
      ? [instanceName(service, version, id)]
      : replicas.hosts.map((host) => instanceOn(service, version, id, host));
  for (const instance of names) stopIdle(operation, instance);
}

function stopIdle(operation: Operation, instance: string): void {
  const { service, limits } = operation.input;
  if (!operation.started.has(instance) || operation.stopping.has(instance)) return;
  const named = hostOfInstance(instance);
  const host = named === null ? operation.host : hostOf(named);
  const stop = async (): Promise<void> => {
    try {
      const graceMs = limits.steps.stopGraceMs;
      const { outcome, why } = await host.stopInstance.executeWithOptions({ summary: `stop ${instance}` }, [
        { service, instance, graceMs },
      ]);
      if (outcome === 'refused') operation.chronicle.note(`${instance} was not stopped: ${why}`);
      else operation.started.delete(instance);
    } catch (error) {
      operation.chronicle.note(`${instance} was not stopped: ${lostCall(error).why}`);
    }
    operation.stopping.delete(instance);
  };
  operation.stopping.set(instance, stop());
}

function isBehindShift({ step }: PlanStep): boolean {
  return step === 'verify' || step === 'caches' || step === 'items' || step === 'settle';
}

function firstStepTowardsShift(plan: readonly PlanStep[]): number {
  return plan.findIndex(({ step }) => step === 'gap' || step === 'probe' || step === 'shift');
}

function ended<T>(result: Exclude<StepResult<T>, { kind: 'done' }>, trial: Trial, step: PlanStep): TrialEnd {
  if (result.kind === 'stopped') return { kind: 'stopped', why: result.why };
  if (result.kind === 'unreachable') return { kind: 'stuck', step: step.step, why: result.why, trial };
  return { kind: 'failed', step: step.step, why: result.why, trial };
}
