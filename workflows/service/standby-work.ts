import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  startChild,
  WorkflowIdReusePolicy,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { ServicePolicy } from '../../domain/policy';
import type { Backend } from '../../domain/route';
import type { Effect } from '../../domain/service/commands';
import type { ServiceEvent } from '../../domain/service/events';
import { retirementWorkflowId } from '../contract/ids';
import { control, hostOf } from '../proxies';

/** The rest of the step's time is for the answer; a copy that is not ready by then says so itself. */
const LOAD_SHARE = 0.9;

interface PreparedFor {
  readonly service: string;
  readonly host: string;
  readonly policy: () => Pick<ServicePolicy, 'steps'>;
  readonly enqueue: (event: ServiceEvent) => void;
}

/** Validate, load, probe: the slow steps of an emergency, taken beforehand. */
export async function prepareStandby(
  { service, host, policy, enqueue }: PreparedFor,
  { version, digest, instance, model }: Extract<Effect, { type: 'prepare-standby' }>,
): Promise<void> {
  const { steps } = policy();
  const report = (backend: Backend | null, why: string): void =>
    enqueue({ type: 'standby-prepared', version, instance, backend, why });
  try {
    const within = (scheduleToCloseTimeout: number, summary: string): ActivityOptions => ({
      scheduleToCloseTimeout,
      summary,
    });
    const valid = await control.validateArtifact.executeWithOptions(within(steps.validateMs, version), [
      { service, version, digest },
    ]);
    if (!valid.ok) return report(null, valid.why);
    const loaded = await hostOf(host).loadTarget.executeWithOptions(within(steps.loadMs, instance), [
      { service, version, digest, instance, model, readyWithinMs: Math.floor(steps.loadMs * LOAD_SHARE) },
    ]);
    if (!loaded.ok) return report(null, loaded.why);
    const proven = await control.probeInstance.executeWithOptions(within(steps.probeMs, instance), [
      { service, version, model, backend: loaded.backend },
    ]);
    report(proven.ok ? loaded.backend : null, proven.ok ? '' : proven.why);
  } catch (error) {
    report(null, `could not be asked: ${String(error).slice(0, 300)}`);
  }
}

export async function startRetirement({ input }: Extract<Effect, { type: 'retire' }>): Promise<void> {
  await startChild('retirementWorkflow', {
    workflowId: retirementWorkflowId(input.service, input.instance),
    args: [input],
    parentClosePolicy: ParentClosePolicy.ABANDON,
    cancellationType: ChildWorkflowCancellationType.ABANDON,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    staticSummary: `retire ${input.instance}: ${input.why}`.slice(0, 180),
  });
}
