import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { itemsWorkflowId } from '../contract/ids';
import type { ItemsInput } from '../contract/items';
import { inBytes } from '../summary';
import type { Operation } from './operation';

/**
 * Fixes what is to be done with the items of the version that was left, durably, as the input of a workflow of its own.
 * That one goes on by itself: a hundred thousand items take minutes, a pipeline that is down takes as long as it is down,
 * and neither may keep the rollback from settling. So nothing here fails the operation either.
 */
export async function beginItems(operation: Operation, target: string): Promise<void> {
  const { input, left, shiftedAt } = operation;
  const { items, service } = input;
  if (items === undefined || left === null || left === target) return;
  const beganAt = operation.began('items', target, 0);
  const pin = operation.record?.pins.find(({ version }) => version === left);
  const order: ItemsInput = {
    service,
    incident: items.incident,
    version: left,
    target,
    onsetAt: items.onsetAt,
    shiftedAt: shiftedAt ?? Date.now(),
    ...(pin && { pinnedUntil: pin.until }),
    pipelines: items.pipelines,
    unverified: items.unverified,
    ...(items.actKeys && { actKeys: items.actKeys }),
  };
  const workflowId = itemsWorkflowId(service, items.incident);
  try {
    await startChild('itemsWorkflow', {
      workflowId,
      args: [order],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      staticSummary: inBytes(`items of ${left}: ${items.pipelines.map(({ name }) => name).join(', ')}`),
    });
    operation.succeeded('items', target, Date.now() - beganAt, `${workflowId} goes on by itself`);
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    operation.succeeded('items', target, Date.now() - beganAt, `${workflowId} was begun before`);
  }
}
