import {
  CancellationScope,
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  log,
  setCurrentDetails,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import { serviceWorkflowId } from './contract/ids';
import { signalNames, type RetirementEnded, type RetirementInput } from './contract/signals';
import { control, hostOf } from './proxies';
import { lostCall } from './rollback/activity-failure';

export const sparedSignal = defineSignal<[unknown]>(signalNames.spared);

type Ending = Pick<RetirementEnded, 'outcome' | 'why'>;

const firstLookMs = 500;
const longestPauseMs = 15_000;
/** A copy that the router still names is asked for again this often, a minute apart; then a person must look. */
const stopAttempts = 10;
const refusedPauseMs = 60_000;
const reportPausesMs = [500, 2_000, 10_000, 30_000];

/**
 * Ends one copy that carries no new traffic: waits until it may, until it is drained, stops it. `spared` ends it without
 * a stop, as long as the stop has not been ordered. Reports its end to the service.
 */
export async function retirementWorkflow(input: RetirementInput): Promise<void> {
  const spare = { ordered: false };
  setHandler(sparedSignal, () => {
    spare.ordered = true;
  });
  CancellationScope.current().cancelRequested.catch(() => {
    spare.ordered = true;
  });
  await CancellationScope.nonCancellable(async () => {
    tell(input, `waits until ${new Date(input.notBefore).toISOString()}: ${input.why}`);
    const ending = await retire(input, () => spare.ordered);
    tell(input, `${ending.outcome}: ${ending.why}`);
    await report(input, ending);
  });
}

async function retire(input: RetirementInput, spared: () => boolean): Promise<Ending> {
  await unlessSpared(spared, input.notBefore - Date.now(), 'it is not stopped before this');
  if (spared()) return sparedEnding;
  const drained = await untilDrained(input, spared);
  // From here on a stop may be under way; a version chosen again must not rely on this copy.
  for (let attempt = 1; !spared(); attempt++) {
    const stopped = await stop(input, drained);
    if (stopped.outcome !== 'refused' || attempt === stopAttempts) {
      return { outcome: stopped.outcome === 'stopped' ? 'stopped' : 'failed', why: stopped.why };
    }
    tell(input, `not stopped: ${stopped.why}; asks again`);
    await unlessSpared(spared, refusedPauseMs, 'the router still names it');
  }
  return sparedEnding;
}

const sparedEnding: Ending = { outcome: 'spared', why: 'the service needs the version again' };

/** Looks less and less often; in words what it found. A router that cannot be asked is not a drained one. */
async function untilDrained(input: RetirementInput, spared: () => boolean): Promise<string> {
  const { service, version } = input;
  const until = Date.now() + input.drainMaxMs;
  let seen = 'nobody could say whether it is drained';
  for (let pauseMs = firstLookMs; !spared(); pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      const { drained, inFlight, pinned } = await control.observeDrain.executeWithOptions(
        { summary: `is ${version} drained?` },
        [{ service, version }],
      );
      if (drained) return 'drained';
      seen = `${inFlight} requests in flight and ${pinned} sessions pinned`;
    } catch (error) {
      seen = lostCall(error).why;
    }
    tell(input, seen);
    const leftMs = until - Date.now();
    if (leftMs <= 0) return `given up waiting after ${input.drainMaxMs} ms: ${seen}`;
    await unlessSpared(spared, Math.min(pauseMs, leftMs), `drain of ${version}`);
  }
  return seen;
}

async function stop(
  { service, instance, graceMs, host }: RetirementInput,
  drained: string,
): Promise<{ outcome: 'stopped' | 'refused'; why: string }> {
  try {
    const { outcome, why } = await hostOf(host).stopInstance.executeWithOptions({ summary: `stop ${instance}` }, [
      { service, instance, graceMs },
    ]);
    if (outcome === 'refused') return { outcome, why };
    return { outcome: 'stopped', why: outcome === 'absent' ? `it ran no more (${drained})` : drained };
  } catch (error) {
    // Its host may come back; that it was stopped is only known when somebody said so.
    return { outcome: 'refused', why: lostCall(error).why };
  }
}

async function unlessSpared(spared: () => boolean, ms: number, summary: string): Promise<void> {
  if (ms > 0) await condition(spared, ms, { summary });
}

async function report({ service, version, instance }: RetirementInput, ending: Ending): Promise<void> {
  const message: RetirementEnded = { version, instance, ...ending, at: Date.now() };
  const handle = getExternalWorkflowHandle(serviceWorkflowId(service));
  for (const pauseMs of [...reportPausesMs, null]) {
    try {
      await handle.signal(signalNames.retirementEnded, message);
      return;
    } catch (error) {
      // The service workflow was lost; the next one finds the copies of a host by inspection.
      log.warn('the service did not take the end of a retirement', { error: String(error) });
      if (pauseMs !== null) await sleep(pauseMs, { summary: 'the service workflow is back' });
    }
  }
}

function tell({ instance }: RetirementInput, line: string): void {
  setCurrentDetails(`**${instance}**\n\n- \`${new Date(Date.now()).toISOString().slice(11, 23)}\` ${line}`);
}
