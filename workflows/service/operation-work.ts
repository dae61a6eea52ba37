import {
  ChildWorkflowCancellationType,
  getExternalWorkflowHandle,
  log,
  ParentClosePolicy,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import type { SearchAttributePair } from '@temporalio/common';
import type { Effect } from '../../domain/service/commands';
import type { ServiceEvent } from '../../domain/service/events';
import { rollbackWorkflowId } from '../contract/ids';
import type { OperationInput } from '../contract/rollback';
import { signalNames } from '../contract/signals';
import { control } from '../proxies';
import { inBytes } from '../summary';

/**
 * Longer than the steps of a copy that is light, shorter than anybody waits for a word of which step is under way: what
 * takes longer is told step by step.
 */
const TOGETHER_MS = 3_000;

/** False when its child was there before. */
export async function startOperation(
  { input, summary }: Extract<Effect, { type: 'start-operation' }>,
  typedSearchAttributes: SearchAttributePair[],
): Promise<boolean> {
  try {
    await startChild('rollbackWorkflow', {
      workflowId: rollbackWorkflowId(input.service, input.operation),
      args: [{ ...input, together: { withinMs: TOGETHER_MS } } satisfies OperationInput],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.ABANDON,
      // Repeated after a lost effect, the same operation is found running or ended, never started twice.
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      staticSummary: inBytes(summary),
      staticDetails: input.reason,
      typedSearchAttributes,
    });
    return true;
  } catch (error) {
    log.warn('an operation was not started', { operation: input.operation, error: String(error) });
    return false;
  }
}

/** Whether the child of an operation still runs, and what the router has in force. */
export async function askOperation(
  service: string,
  { operation, knownToWait = false }: Omit<Extract<Effect, { type: 'ask-operation' }>, 'type'>,
  waits: boolean,
): Promise<ServiceEvent> {
  const running = waits ? null : await runs(service, operation, { knownToWait });
  const observed = await control.observeRoute
    .executeWithOptions({ summary: `what ${operation} left` }, [service])
    .catch(() => null);
  return { type: 'operation-asked', operation, running: observed === null ? null : running, observed };
}

/** The end of an operation that was stopped before it was started, as its child would have said it. */
export function neverBegun(operation: string, why: string): ServiceEvent {
  const what = {
    type: 'ended',
    outcome: 'cancelled',
    record: null,
    why: `it had not begun: ${why}`,
    idle: [],
    verified: null,
  } as const;
  return { type: 'step-reported', report: { operation, no: 1, at: Date.now(), what } };
}

/** A signal to a workflow that does not run fails: that is the answer. */
async function runs(service: string, operation: string, asked: { readonly knownToWait: boolean }): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(rollbackWorkflowId(service, operation)).signal(signalNames.asked, asked);
    return true;
  } catch {
    return false;
  }
}
