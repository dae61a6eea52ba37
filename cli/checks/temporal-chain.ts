import { randomUUID } from 'node:crypto';
import type { Connection } from '@temporalio/client';
import type { Configuration } from '../../workers/configuration/configuration';
import { span } from '../render/words';
import { fine, unmeasured, warning, type Finding } from './finding';

export const chainLength = 12;
/** At the server's default of 20 transfer polls a second a chain of twelve takes above 1.5 s; without it about 0.4 s. */
const slowMs = 1_000;
const limitMs = 60_000;

/**
 * Milliseconds that the server takes for a workflow of twelve empty activities, one after the other. No worker and no
 * workflow code: the tasks are taken and answered here, so that only the server's own hand-overs are in the number.
 */
export async function measureChain(configuration: Configuration, address: string): Promise<number> {
  const temporal = await import('@temporalio/client');
  const { temporalAddress } = await import('../../workers/temporal-connection');
  const { namespace, tls } = temporalAddress(configuration, address);
  const connection = await temporal.Connection.connect({
    address,
    tls: tls === false ? null : tls,
    connectTimeout: '5s',
  });
  try {
    // A poll without a deadline is refused by the server.
    return await connection.withDeadline(Date.now() + limitMs, () => runChain(connection, namespace));
  } finally {
    await connection.close();
  }
}

async function runChain(connection: Connection, namespace: string): Promise<number> {
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

/** `load`: work waiting for each core of this machine; a busy one says nothing of the server. */
export function judgeChain(ms: number, load: number): Finding {
  const said = `${chainLength} empty activities in ${span(ms)}`;
  if (ms <= slowMs) return fine('chain of activities', said);
  if (load > 1.5)
    return unmeasured(
      'chain of activities',
      `${said}, on a machine with ${load.toFixed(1)} tasks waiting for each core: too busy to judge the server`,
      'lastgood doctor, when the machine is quiet',
    );
  return warning(
    'chain of activities',
    `${said}: a rollback would wait at every hand-over`,
    'set history.transferProcessorMaxPollRPS to 1000 in the dynamic configuration of the Temporal server (the default of 20 a shard is the usual cause)',
  );
}
