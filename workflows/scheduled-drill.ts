import { log, patched, sleep, workflowInfo } from '@temporalio/workflow';
import type { Alert } from '../domain/alert';
import type { LedgerEntry } from '../domain/ledger';
import type { Answer } from './contract/messages';
import type { ScheduledDrillInput } from './contract/drill';
import { control, drills } from './proxies';
import { lostCall } from './rollback/activity-failure';
import { inBytes } from './summary';

/** Longest time before and after the share: loading, the way back, verification. */
const AROUND_MS = 10 * 60_000;
/** Ledger and people are told for so long that a drill was not asked for; a schedule must not wait for either for ever. */
const TELLS_MS = 60 * 60_000;

/**
 * Started by a schedule: asks the service for a drill, which may refuse, and stays for as long as the drill may last, so that
 * the schedule does not begin another one meanwhile. The drill itself runs without it.
 */
export async function scheduledDrillWorkflow({ service, request }: ScheduledDrillInput): Promise<Answer> {
  let answer: Answer;
  try {
    answer = await drills.requestDrill.executeWithOptions({ summary: `a drill of ${service}` }, [
      { service, requestId: workflowInfo().runId, request },
    ]);
  } catch (error) {
    if (patched('unasked-told')) await tellUnasked({ service, request }, lostCall(error).why);
    throw error;
  }
  if (answer.decision === 'accepted')
    await sleep(request.forMs + AROUND_MS, { summary: `${answer.reference ?? 'the drill'} is over by then` });
  return answer;
}

/** The service cannot be asked, so it cannot say so itself: a rehearsal that never takes place must not go unnoticed. */
async function tellUnasked({ service, request }: ScheduledDrillInput, lost: string): Promise<void> {
  const drill = `unasked-${workflowInfo().runId.slice(0, 8)}`;
  const why = `the service could not be asked: ${lost}`.slice(0, 500);
  const at = Date.now();
  const { way, version, degrade } = request;
  const entry: LedgerEntry = {
    service,
    key: `${workflowInfo().workflowId}/${workflowInfo().runId}`,
    at,
    kind: 'drill-ended',
    incident: null,
    actor: { name: 'lastgood', proof: 'lastgood', from: 'schedule of drills' },
    summary: `a scheduled drill did not take place: ${why}`,
    facts: {
      drill,
      way,
      outcome: 'unasked',
      why,
      ...(version !== undefined && { version }),
      ...(degrade !== undefined && { degrade: { ...degrade } }),
    },
  };
  const alert: Alert = {
    key: `${service}/drill-unasked/${at}`,
    service,
    incident: null,
    severity: 'ticket',
    at,
    title: `${service}: a scheduled drill did not take place`,
    wrong: why,
    did: 'Nothing; the next one comes by its schedule.',
    users: 'A drill changes nothing for them. Who cannot be asked for a drill may not answer a degradation either.',
    must: 'Now: see whether decisions are reached; then drill by hand once.',
    command: `lastgood status ${service}`,
    link: null,
  };
  const bounded = { summary: inBytes(drill), scheduleToCloseTimeout: TELLS_MS };
  const told = await Promise.allSettled([
    control.sendAlert.executeWithOptions(bounded, [alert]),
    control.recordDecisions.executeWithOptions(bounded, [[entry]]),
  ]);
  for (const one of told)
    if (one.status === 'rejected') log.error('an unasked drill was not told', { drill, error: String(one.reason) });
}
