import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  sleep,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError, type SearchAttributePair } from '@temporalio/common';
import type { Effect } from '../../domain/service/commands';
import { retirementWorkflowId } from '../contract/ids';
import { inBytes } from '../summary';

/** The retirement before it has told its end and is about to close. */
const CLOSES_WITHIN_MS = [500, 2_000, 10_000];

/** A copy has one retirement at a time: where one goes on, it is the one that was asked for. */
export async function startRetirement(
  { input }: Extract<Effect, { type: 'retire' }>,
  typedSearchAttributes: SearchAttributePair[],
): Promise<void> {
  for (const pauseMs of [...CLOSES_WITHIN_MS, null]) {
    try {
      await startChild('retirementWorkflow', {
        workflowId: retirementWorkflowId(input.service, input.instance),
        args: [input],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        cancellationType: ChildWorkflowCancellationType.ABANDON,
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
        staticSummary: inBytes(`retire ${input.instance}: ${input.why}`),
        typedSearchAttributes,
      });
      return;
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      if (pauseMs !== null) await sleep(pauseMs, { summary: `the last retirement of ${input.instance} has closed` });
    }
  }
}
