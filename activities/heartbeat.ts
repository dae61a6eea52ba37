import { Context } from '@temporalio/activity';

/**
 * Runs a step that has no rhythm of its own with a sign of life each interval: a dead worker is noticed, and a
 * cancellation arrives (as the abort of `signal`).
 */
export async function withHeartbeat<T>(intervalMs: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current();
  const timer = setInterval(() => context.heartbeat(), intervalMs);
  context.heartbeat();
  try {
    return await run(context.cancellationSignal);
  } finally {
    clearInterval(timer);
  }
}
