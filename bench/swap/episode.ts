import { pause, type Users } from '../traffic/load';
import { monotonicMs, type UserRecord } from '../traffic/records';
import { Server } from '../traffic/servers';
import type { Way } from '../traffic/way';
import { judgeSwap, type SwapMeasure } from './judge';

export const STATES = ['warm', 'cold', 'late'] as const;
/** `warm`: runs and was probed. `cold`: its process is started in the swap. `late`: it runs and is not ready yet. */
export type TargetState = (typeof STATES)[number];

const BEFORE_MS = 1_500;
const KEEP_PINS_MS = 1_200;
/** After the pins: enough requests to see that they ended, and the end of every stream that began before. */
const AFTER_MS = 600;
const LATE_MS = 1_000;

/** One swap of one way under its users. Resolves to what they saw and to the version that serves now. */
export async function swapOnce(
  way: Way,
  users: Users,
  from: Server,
  next: { readonly state: TargetState; readonly version: string },
): Promise<{ measure: SwapMeasure; now: Server }> {
  // A warm target is there and has been asked before anything of the swap begins.
  const warm = next.state === 'warm' ? await Server.start(next.version) : null;
  await warm?.ready();
  await users.take();
  await pause(BEFORE_MS);
  const records: UserRecord[] = await users.take();
  const to = warm ?? (await Server.start(next.version, next.state === 'late' ? LATE_MS : 0));
  const readyMs = await to.ready();
  const movedMs = next.state === 'late' ? readyMs : monotonicMs();
  const until = Date.now() + KEEP_PINS_MS;
  const pinsUntilMs = way.pins ? monotonicMs() + KEEP_PINS_MS : null;
  await way.move({ primary: to, standby: null, pins: way.pins ? { server: from, until } : null });
  const doneMs = monotonicMs();
  await pause(KEEP_PINS_MS + AFTER_MS);
  records.push(...(await users.take()));
  const times = { movedMs, doneMs, pinsUntilMs, from: from.version, to: to.version };
  const measure = judgeSwap(records, times);
  from.kill();
  return { measure, now: to };
}
