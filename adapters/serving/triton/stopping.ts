import { setTimeout as pause } from 'node:timers/promises';
import type { ServingRuntime } from '../../../activities/ports';
import { mendOthers } from './mending';
import { removeVersion } from './placement';
import type { TritonSources } from './sources';
import { bringIntoForce, declareOnly, numbersIn, versionsBeside } from './versions-in-force';

const POLL_MS = 50;
const ENDS = ['READY', 'LOADING', 'UNLOADING'];

/**
 * Under the model's lock. Out of force first, so that no restart of the server brings it back; then nothing new reaches it
 * and what is in flight is answered; its files go when Triton has let go of them.
 */
export async function stopCopy(
  sources: TritonSources,
  instance: string,
  graceMs: number,
): ReturnType<ServingRuntime['stop']> {
  const { server, records, modelDirectory, now } = sources;
  const record = await records.of(instance);
  if (record === null) return { outcome: 'absent', why: 'nothing was started under this name' };
  if (record.state === 'ended') return { outcome: 'absent', why: 'it had ended before' };
  const { number } = record;
  const states = await server.versions();
  const wasUp = ENDS.includes(states.get(number)?.state ?? '');
  // From here on no restart of the server brings it back.
  await records.write({ ...record, state: 'stopping' });
  const left = await versionsBeside(sources, number, states);
  if (numbersIn(states, 'READY', 'LOADING').length === 0) await declareOnly(sources, left);
  else {
    await mendOthers(sources, number, states);
    await bringIntoForce(sources, left);
  }
  const began = performance.now();
  for (;;) {
    const state = (await server.versions()).get(number)?.state ?? 'UNAVAILABLE';
    if (!ENDS.includes(state)) break;
    if (performance.now() - began > graceMs)
      return {
        outcome: 'refused',
        why: `version ${number} of ${server.model} is ${state} after ${graceMs} ms: it takes no new requests, and goes when those in flight are answered; Triton ends none of them. Stopped again, it is waited for again`,
      };
    await pause(POLL_MS);
  }
  const why = `version ${number} of ${server.model} unloaded within ${Math.round(performance.now() - began)} ms`;
  await records.note(record, now(), wasUp ? why : 'stopped; it was not loaded any more');
  await records.write({ ...record, state: 'ended', exit: { at: now(), code: 'stopped', stopped: true } });
  await removeVersion(modelDirectory, number);
  return wasUp ? { outcome: 'stopped', why } : { outcome: 'absent', why: 'it was not loaded any more' };
}
