import { patched } from '@temporalio/workflow';
import type { PlanStep } from '../../domain/rollback/plan';
import { versionsInForce, type RouteRecord } from '../../domain/route';
import { control } from '../proxies';
import { lostCall } from './activity-failure';
import { move } from './move';
import { movedInPart, notShifted, recordShift, usedUp, type RunningTrial } from './after-move';
import { backThroughGap } from './gap';
import type { Operation, TrialEnd } from './operation';
import { returnedRecord, sharedRecord, shiftedRecord } from './records';

/** All new requests to the candidate. Null when they are there; what stands instead otherwise. */
export async function shift(operation: Operation, trial: RunningTrial, step: PlanStep): Promise<TrialEnd | null> {
  const { version } = trial.candidate;
  const epoch = operation.takeEpoch();
  if (epoch === null) return usedUp(operation, trial, step);
  const beganAt = operation.began(step.step, version, step.deadlineMs);
  const moved = await move(operation, {
    epoch,
    recordAt: (at) =>
      shiftedRecord(operation.recordFacts(at), { version, backend: trial.backend, others: trial.others }),
    deadlineMs: step.deadlineMs,
    summary: `all traffic to ${version}`,
  });
  if (moved.kind !== 'moved') {
    movedInPart(operation, moved);
    return notShifted(operation, trial, step, moved);
  }
  const { record } = moved;
  operation.record = record;
  operation.returned = false;
  operation.shiftedAt = moved.at;
  operation.chronicle.report({ type: 'shifted', record, note: moved.note, at: moved.at });
  recordShift(operation, record, `all traffic goes to ${version} (epoch ${record.epoch}; ${moved.note})`);
  operation.succeeded(step.step, version, Date.now() - beganAt, moved.note);
  return null;
}

/** Growing parts of the new requests to the candidate, each judged over its whole stage before the next one. */
export async function stages(operation: Operation, trial: RunningTrial, step: PlanStep): Promise<TrialEnd | null> {
  const { version } = trial.candidate;
  const { gradual } = operation.input.limits;
  const beganAt = operation.began(step.step, version, step.deadlineMs);
  const end = await eachStage(operation, trial, step);
  operation.addToMandate(Date.now() - beganAt);
  if (end !== null) return end;
  operation.succeeded(step.step, version, Date.now() - beganAt, `${gradual.stages.length} stages`);
  return null;
}

async function eachStage(operation: Operation, trial: RunningTrial, step: PlanStep): Promise<TrialEnd | null> {
  const { version, digest } = trial.candidate;
  const { gradual, steps } = operation.input.limits;
  for (const weight of gradual.stages) {
    const base = operation.record ?? operation.input.route;
    // Where nothing was live there is no traffic to share; the shift follows at once.
    if (base === null) break;
    const epoch = operation.takeEpoch();
    if (epoch === null) {
      await withdrawShare(operation);
      return usedUp(operation, trial, step);
    }
    const percent = `${Math.round(weight * 100)} %`;
    const moved = await move(operation, {
      epoch,
      recordAt: (at) => {
        const facts = operation.recordFacts(at);
        // The router ends the share by itself, should nobody be left to decide what comes after it.
        const until = facts.now + gradual.stageMs + 2 * steps.shiftMs;
        const { backend, others } = trial;
        return sharedRecord({ ...facts, base }, { version, backend, others }, { weight, until });
      },
      deadlineMs: steps.shiftMs,
      summary: `${percent} of new requests to ${version}`,
    });
    if (moved.kind !== 'moved') {
      movedInPart(operation, moved);
      await withdrawShare(operation);
      return notShifted(operation, trial, step, moved);
    }
    const { record } = moved;
    operation.record = record;
    const note = `${percent} of new requests; ${moved.note}`;
    operation.chronicle.report({ type: 'shifted', record, note, at: moved.at });
    recordShift(operation, record, `${percent} of new requests go to ${version} (epoch ${record.epoch})`);
    const judgedUntil = Date.now() + gradual.stageMs;
    const checked = await operation.run(
      { ...step, deadlineMs: gradual.stageMs + steps.shiftMs },
      version,
      (options) =>
        control.verifyShift.executeWithOptions(options, [
          {
            service: operation.input.service,
            version,
            model: operation.input.model,
            digest,
            epoch: record.epoch,
            sinceMs: moved.at,
            // Never reached, so that the whole stage is judged and not only its first answers.
            goodAnswers: Number.MAX_SAFE_INTEGER,
            // Asked once more after a lost answer, what came since the shift is there already.
            maxMs: Math.max(1, judgedUntil - Date.now()),
          },
        ]),
      { stoppable: true, ownTime: true },
    );
    if (checked.kind === 'done') continue;
    await withdrawShare(operation);
    if (checked.kind === 'stopped') return { kind: 'stopped', why: checked.why };
    const why = `at ${percent}: ${checked.why}`;
    // Nobody was there to judge the stage: that says nothing about the candidate.
    if (checked.kind === 'unreachable' && patched('unjudged-stage-waits'))
      return { kind: 'stuck', step: step.step, why, trial };
    return { kind: 'failed', step: step.step, why, trial };
  }
  return null;
}

/**
 * After a failure behind the shift: back to the version that served before, where the plan calls that safest and its copy
 * is still ready. Resolves to what was done, in words.
 */
export async function toSafest(operation: Operation, why: string): Promise<string> {
  const { input, left } = operation;
  const staying = `the traffic stays on ${operation.primary}`;
  if (input.safest === 'target' || input.route === null) return staying;
  if (left === operation.primary) return staying;
  if ((input.route.backends[input.route.primary] ?? []).length === 0) return `${staying}: ${left} has no copy`;
  if (input.stopFirst !== undefined) return await backThroughGap(operation, why);
  const epoch = operation.takeEpoch();
  if (epoch === null) return `${staying}: the granted epochs are used up`;
  const { route } = input;
  const facts = { step: 'return', version: route.primary, epoch, why };
  const stopped = (): boolean => operation.orders.stopWhy !== null;
  const decision = `moves the traffic back to ${route.primary}: ${why}`;
  if (!(await operation.chronicle.decide('step-began', decision, facts, stopped))) return `${staying}: it was stopped`;
  const shiftMs = input.limits.steps.shiftMs;
  operation.began('return', route.primary, shiftMs);
  const moved = await move(operation, {
    epoch,
    recordAt: (at) => returnedRecord(operation.recordFacts(at), route),
    deadlineMs: shiftMs,
    summary: `back to ${route.primary}`,
    returnsTo: route.primary,
  });
  if (moved.kind !== 'moved') {
    const inPart = movedInPart(operation, moved);
    if (inPart) operation.returned = true;
    operation.failed('return', route.primary, moved.why);
    if (inPart) return `the traffic is back on ${route.primary} in part (${moved.why})`;
    return `${staying}: the way back to ${route.primary} failed (${moved.why})`;
  }
  const { record } = moved;
  operation.record = record;
  operation.returned = true;
  const note = `back to ${record.primary}; ${moved.note}`;
  operation.chronicle.report({ type: 'shifted', record, note, at: moved.at });
  recordShift(operation, record, `all traffic is back on ${record.primary} (epoch ${record.epoch})`);
  return `the traffic is back on ${record.primary}`;
}

/** Withdraws a share that is still in force; it would end by itself, but the users need not wait for that. */
async function withdrawShare(operation: Operation): Promise<void> {
  const { record } = operation;
  if (!record?.share) return;
  const epoch = operation.takeEpoch();
  const { share, ...rest } = record;
  if (epoch === null || share.until <= Date.now()) return;
  const inForce = versionsInForce(rest, Date.now());
  const backends = Object.entries(rest.backends).filter(
    ([version]) => version !== share.version || inForce.includes(version),
  );
  const without: RouteRecord = { ...rest, epoch, backends: Object.fromEntries(backends) };
  try {
    const applied = await operation.router.applyRoute.executeWithOptions(
      { summary: `no share for ${share.version}, epoch ${epoch}` },
      [without],
    );
    if (applied.applied) {
      operation.record = without;
      operation.chronicle.report({
        type: 'shifted',
        record: without,
        note: `the share of ${share.version} is withdrawn`,
      });
      recordShift(operation, without, `the share of ${share.version} is withdrawn (epoch ${epoch})`);
    } else operation.chronicle.note(`the share of ${share.version} ends by itself: ${applied.why}, ${applied.detail}`);
  } catch (error) {
    operation.chronicle.note(`the share of ${share.version} ends by itself: ${lostCall(error).why}`);
  }
}
