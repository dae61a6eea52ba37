import { randomUUID } from 'node:crypto';
import type { Configuration } from '../../workers/configuration/configuration';
import { span } from '../render/words';
import { fine, warning, type Finding } from './finding';

export const chainLength = 12;
/** At the server's default of 20 transfer polls a second a chain of twelve takes above 1.5 s; without it about 0.4 s. */
const slowMs = 1_000;

/**
 * Milliseconds that the server takes for a workflow of twelve empty activities, one after the other. No worker and no
 * workflow code: the tasks are taken and answered here, so that only the server's own hand-overs are in the number.
 */
export async function measureChain(configuration: Configuration, address: string): Promise<number> {
  const { Connection } = await import('@temporalio/client');
  const { temporalAddress } = await import('../../workers/temporal-connection');
  const { namespace, tls } = temporalAddress(configuration, address);
  const connection = await Connection.connect({ address, tls: tls === false ? null : tls, connectTimeout: '5s' });
  try {
    const id = `lastgood-doctor-${randomUUID()}`;
    const queue = { name: id };
    const identity = 'lastgood doctor';
    const service = connection.workflowService;
    const began = performance.now();
    await service.startWorkflowExecution({
      namespace,
      workflowId: id,
      requestId: id,
      identity,
      workflowType: { name: 'lastgoodDoctorChain' },
      taskQueue: queue,
      workflowExecutionTimeout: { seconds: 60 as never },
    });
    for (let step = 0; step <= chainLength; step++) {
      const task = await service.pollWorkflowTaskQueue({ namespace, taskQueue: queue, identity });
      if (!task.taskToken?.length) throw new Error('the server handed out no workflow task');
      const last = step === chainLength;
      await service.respondWorkflowTaskCompleted({
        namespace,
        identity,
        taskToken: task.taskToken,
        commands: [last ? completeCommand : scheduleCommand(step, id)],
      });
      if (last) break;
      const activity = await service.pollActivityTaskQueue({ namespace, taskQueue: queue, identity });
      if (!activity.taskToken?.length) throw new Error('the server handed out no activity task');
      await service.respondActivityTaskCompleted({ namespace, identity, taskToken: activity.taskToken });
    }
    return performance.now() - began;
  } finally {
    await connection.close();
  }
}

const scheduleType = 1;
const completeType = 4;
const completeCommand = { commandType: completeType, completeWorkflowExecutionCommandAttributes: {} };

function scheduleCommand(step: number, queue: string) {
  return {
    commandType: scheduleType,
    scheduleActivityTaskCommandAttributes: {
      activityId: String(step),
      activityType: { name: 'empty' },
      taskQueue: { name: queue },
      startToCloseTimeout: { seconds: 10 as never },
      scheduleToCloseTimeout: { seconds: 30 as never },
    },
  };
}

export function judgeChain(ms: number): Finding {
  const said = `${chainLength} empty activities in ${span(ms)}`;
  return ms <= slowMs
    ? fine('chain of activities', said)
    : warning(
        'chain of activities',
        `${said}: a rollback would wait at every hand-over`,
        'set history.transferProcessorMaxPollRPS to 1000 in the dynamic configuration of the Temporal server (the default of 20 a shard is the usual cause)',
      );
}
