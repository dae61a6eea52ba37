import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from './failures';
import type { Engine, ServingRuntime } from './ports';

const CALL_MS = 2_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Waits until a copy works on nothing and keeps nobody waiting, by its own counters, at most `limitMs`. Resolves to what
 * was seen, in words, or null where there was nothing to wait for: an engine that does not count, a copy that is not there,
 * or one that shares its server (its counters are of all that is served there).
 */
export async function untilIdle(
  engine: Engine,
  runtime: ServingRuntime,
  { service, instance, limitMs }: { readonly service: string; readonly instance: string; readonly limitMs: number },
  signal: AbortSignal,
): Promise<string | null> {
  if (engine.work === undefined) return null;
  const { instances } = await runtime.inspect(service);
  const copy = instances.find((found) => found.instance === instance);
  if (copy?.state !== 'running' || copy.address === null || copy.selector !== undefined) return null;
  const began = performance.now();
  let seen: string;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      const { running, waiting } = await engine.work(copy.address, { timeoutMs: CALL_MS });
      if (running + waiting === 0) return 'it was idle by its own count';
      seen = `it worked on ${running} requests and kept ${waiting} waiting, by its own count`;
    } catch (error) {
      // A copy that does not answer is stopped all the same, and told to finish by its grace.
      return `whether it was idle is not known: ${messageOf(error)}`;
    }
    const waitedMs = performance.now() - began;
    if (waitedMs >= limitMs) return `after ${Math.round(waitedMs)} ms ${seen}`;
    await pause(Math.min(pauseMs, limitMs - waitedMs), undefined, { signal });
  }
}
