import { setTimeout as pause } from 'node:timers/promises';
import { withHeartbeat } from './heartbeat';
import { messageOf } from './failures';
import type { TrafficRouter } from './ports';
import type { DrillActivities } from '../workflows/contract/drill';

const lookEveryMs = 50;

/** The router's own word on when the record came into force. Read-only, so it may run twice. */
export function awaitDrillRoute({ router }: { router: TrafficRouter }): DrillActivities['awaitDrillRoute'] {
  return async ({ service, epoch, maxMs }) =>
    await withHeartbeat(500, async (signal) => {
      const until = performance.now() + maxMs;
      let why = 'it was not asked';
      while (performance.now() < until) {
        try {
          const { record, inForceSince } = await router.read(service);
          if (record !== null && record.epoch >= epoch) return { ok: true, at: inForceSince ?? Date.now() };
          why = `it is at epoch ${record?.epoch ?? 'none'}`;
        } catch (error) {
          why = messageOf(error);
        }
        await pause(lookEveryMs, undefined, { signal });
      }
      return { ok: false, why: `the router did not have epoch ${epoch} in force within ${maxMs} ms: ${why}` };
    });
}
