import { Context } from '@temporalio/activity';

const WORDS_MAX = 500;
/** Of the time after which a silent worker counts as dead: one sign of life may be lost. */
const SHARE = 0.4;

/** How often an activity without news says that it lives; each sign is a write of the server. */
export function signOfLifeEveryMs(otherwiseMs: number): number {
  const { heartbeatTimeoutMs } = Context.current().info;
  return heartbeatTimeoutMs === undefined ? otherwiseMs : Math.max(200, heartbeatTimeoutMs * SHARE);
}

/**
 * Runs a step that has no rhythm of its own with a sign of life each interval: a dead worker is noticed, and a
 * cancellation arrives (as the abort of `signal`). What `progress` was told last goes along, for whoever looks at Temporal.
 */
export async function withHeartbeat<T>(
  intervalMs: number,
  run: (signal: AbortSignal, progress: (words: string) => void) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  let words: string | undefined;
  const beat = (): void => context.heartbeat(words);
  const timer = setInterval(beat, intervalMs);
  beat();
  try {
    return await run(context.cancellationSignal, (said) => (words = said.slice(0, WORDS_MAX)));
  } finally {
    clearInterval(timer);
  }
}
