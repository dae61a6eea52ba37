import { setTimeout as pause } from 'node:timers/promises';
import type { MirrorItem } from '../gateway/protocol';
import type { Sample } from '../gateway/protocol';
import type { DrillActivities } from '../workflows/contract/drill';
import { withHeartbeat } from './heartbeat';
import type { Telemetry, TrafficRouter } from './ports';

interface Ports {
  readonly router: TrafficRouter;
  readonly telemetry: Telemetry;
}

const inputsMax = 500;
/** Twenty at a time, four times a second: users' requests go first. */
const batch = 20;
const pauseMs = 250;

/**
 * Recorded inputs through the router's mirror, labelled ones first, again and again until its time is over: their answers
 * count in the drill's cohort and nowhere else, so an attempt that died is simply repeated.
 */
export function replayInputs({ router, telemetry }: Ports): DrillActivities['replayInputs'] {
  return async ({ service, drill, untilMs }) =>
    await withHeartbeat(500, async (signal) => {
      if (router.mirror === undefined) throw new TypeError('this router has no mirror');
      const items = await recorded(telemetry, service);
      let asked = 0;
      for (let at = 0; items.length > 0 && Date.now() < untilMs; at = (at + batch) % items.length) {
        signal.throwIfAborted();
        const answer = await router.mirror(service, drill, items.slice(at, at + batch));
        asked += answer.asked;
        if (!answer.running) break;
        await pause(pauseMs, undefined, { signal });
      }
      return { asked };
    });
}

async function recorded(telemetry: Telemetry, service: string): Promise<MirrorItem[]> {
  const [labelled, all] = await Promise.all([
    telemetry.samples(service, { labelled: true, limit: inputsMax }),
    telemetry.samples(service, { limit: inputsMax }),
  ]);
  const known = new Set(labelled.samples.map(({ requestId }) => requestId));
  const others = all.samples.filter(({ requestId }) => !known.has(requestId));
  return [...labelled.samples, ...others].slice(0, inputsMax).map(itemOf);
}

function itemOf({ path, contentType, body, label }: Sample): MirrorItem {
  return { path, contentType, body, ...(label !== null && { label }) };
}
