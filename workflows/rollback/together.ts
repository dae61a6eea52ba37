import type { PlanStep } from '../../domain/rollback/plan';
import { instanceName } from '../../domain/route';
import type { PreparedTarget } from '../contract/activities';
import { inBytes } from '../summary';
import { lostCall } from './activity-failure';
import type { Operation, Trial } from './operation';

type Ahead = { readonly kind: 'stopped'; readonly why: string } | ({ readonly kind: 'done' } & PreparedTarget);
/** Beyond its own limit the call has a copy's start to end, and its answer to bring. */
const ANSWER_MS = 10_000;

/**
 * Validate, load and probe in one call, for a cold candidate whose plan begins with them. It takes nothing from the steps:
 * what it did not get to, also where it was lost, they do themselves. Null where it says nothing.
 */
export async function prepareTogether(operation: Operation, trial: Trial, step: PlanStep): Promise<Ahead | null> {
  const { input, chronicle } = operation;
  const { version, digest, warm } = trial.candidate;
  const { service, model, together, replicas, stopFirst, limits } = input;
  const [first, second, third] = trial.plan.slice(trial.from).map((one) => one.step);
  const inOrder = first === 'validate' && second === 'load' && third === 'probe';
  if (together === undefined || !inOrder || warm !== null || replicas || stopFirst) return null;
  // The copy of a dropped candidate must be gone first: its memory is the next one's (I7).
  await Promise.all(operation.stopping.values());
  const { validateMs, loadMs, probeMs } = limits.steps;
  const withinMs = Math.min(together.withinMs, validateMs, loadMs, probeMs, operation.remainingMs);
  if (withinMs <= 0) return null;
  const instance = instanceName(service, version, input.operation);
  operation.started.set(instance, version);
  operation.began(step.step, version, withinMs + ANSWER_MS);
  const options = {
    startToCloseTimeout: withinMs + ANSWER_MS,
    summary: inBytes(`validate, load and probe ${version}`),
  };
  try {
    const call = { service, version, digest, instance, model, withinMs };
    const outcome = await operation.unlessStopped(
      () => operation.host.prepareTarget.executeWithOptions(options, [call]),
      true,
    );
    if (outcome === 'stopped') return { kind: 'stopped', why: operation.orders.stopWhy ?? 'stopped' };
    // Nothing is started of what was not validated.
    if (outcome.validate === null) operation.started.delete(instance);
    return { kind: 'done', ...outcome };
  } catch (error) {
    chronicle.note(`validate, load and probe of ${version} in one call: ${lostCall(error).why}; one by one`);
    return null;
  }
}

/** The step as it was made by the one call, in the words that it has by itself; null where it was not made. */
export function madeAhead(
  operation: Operation,
  trial: Trial,
  step: PlanStep,
  ahead: PreparedTarget,
): { readonly backend: Trial['backend'] } | { readonly why: string } | null {
  const { version } = trial.candidate;
  const { failed } = ahead;
  if (failed?.step === step.step) {
    operation.failed(step.step, version, failed.why);
    return { why: failed.why };
  }
  const tell = (ms: number, note: string): void => {
    // The first one was told when the call began.
    if (step.step !== 'validate') operation.began(step.step, version, step.deadlineMs);
    operation.succeeded(step.step, version, ms, note);
  };
  if (step.step === 'validate' && ahead.validate !== null) {
    tell(ahead.validate.ms, ahead.validate.note ?? 'every file is what its manifest says');
    return { backend: trial.backend };
  }
  if (step.step === 'load' && ahead.load !== null) {
    const { ms, backend, found } = ahead.load;
    tell(ms, found ? `${backend.instance} was found running` : backend.instance);
    return { backend };
  }
  if (step.step === 'probe' && ahead.probe !== null) {
    const { ms, probes, note } = ahead.probe;
    const seen = `ready, digest right, ${probes} golden probes`;
    tell(ms, note === undefined ? seen : `${seen}, ${note}`);
    return { backend: trial.backend };
  }
  return null;
}
