import type { PlanStep } from '../../domain/rollback/plan';
import type { Backend, RouteRecord } from '../../domain/route';
import type { Moved } from './move';
import type { Operation, Trial, TrialEnd } from './operation';

export type RunningTrial = Trial & { readonly backend: Backend };

/** Users of the routers that took it are on it: it is the declared record, which reconcile brings to the others. */
export function movedInPart(operation: Operation, moved: Exclude<Moved, { kind: 'moved' }>): boolean {
  if (moved.kind !== 'partial') return false;
  const { record, at, why } = moved;
  operation.record = record;
  operation.chronicle.report({ type: 'shifted', record, note: why, at });
  recordShift(operation, record, `the traffic moved in part (epoch ${record.epoch}): ${why}`);
  return true;
}

export function notShifted(
  operation: Operation,
  trial: Trial,
  step: PlanStep,
  { kind, why }: Exclude<Moved, { kind: 'moved' }>,
): TrialEnd {
  const { version } = trial.candidate;
  operation.failed(step.step, version, why);
  const again = { ...trial, from: trial.plan.indexOf(step) };
  switch (kind) {
    case 'stopped':
      return { kind: 'stopped', why };
    case 'unready':
    case 'refused':
    case 'lost':
      return { kind: 'failed', step: step.step, why, trial: again };
    case 'partial':
    case 'unknown':
    case 'unreachable':
      return { kind: 'stuck', step: step.step, why, trial: again };
  }
}

export function usedUp(operation: Operation, trial: Trial, step: PlanStep): TrialEnd {
  const { from, to } = operation.input.epochs;
  const why = `the granted epochs ${from} to ${to} are used up`;
  operation.failed(step.step, trial.candidate.version, why);
  return { kind: 'stuck', step: step.step, why, trial: { ...trial, from: trial.plan.indexOf(step) } };
}

export function recordShift(operation: Operation, record: RouteRecord, summary: string): void {
  const route = JSON.parse(JSON.stringify(record)) as never;
  // `changes` is what a service workflow without state reads back: the route in force is this one.
  operation.chronicle.record('traffic-shifted', summary, { epoch: record.epoch, changes: { route } });
}
