import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError, type SearchAttributePair } from '@temporalio/common';
import type { Effect } from '../../domain/service/commands';
import { drillWorkflowId } from '../contract/ids';
import { inBytes } from '../summary';

/** The same drill is found running, never started twice. One that could not be started is overdue at its deadline. */
export async function startDrill(
  { input, summary }: Extract<Effect, { type: 'start-drill' }>,
  typedSearchAttributes: SearchAttributePair[],
): Promise<void> {
  try {
    await startChild('drillWorkflow', {
      workflowId: drillWorkflowId(input.service, input.drill),
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      staticSummary: inBytes(summary),
      typedSearchAttributes,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
