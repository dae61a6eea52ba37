import { sleep, workflowInfo } from '@temporalio/workflow';
import type { Answer } from './contract/messages';
import type { ScheduledDrillInput } from './contract/drill';
import { drills } from './proxies';

/** Longest time before and after the share: loading, the way back, verification. */
const AROUND_MS = 10 * 60_000;

/**
 * Started by a schedule: asks the service for a drill, which may refuse, and stays for as long as the drill may last, so that
 * the schedule does not begin another one meanwhile. The drill itself runs without it.
 */
export async function scheduledDrillWorkflow({ service, request }: ScheduledDrillInput): Promise<Answer> {
  const answer = await drills.requestDrill.executeWithOptions({ summary: `a drill of ${service}` }, [
    { service, requestId: workflowInfo().runId, request },
  ]);
  if (answer.decision === 'accepted')
    await sleep(request.forMs + AROUND_MS, { summary: `${answer.reference ?? 'the drill'} is over by then` });
  return answer;
}
