import { setTimeout as pause } from 'node:timers/promises';
import { AlertUndelivered } from './sink';

export interface RetryLimits {
  /** Default 5. */
  readonly attempts?: number;
  /** For everything of one attempt. Default 5 s. */
  readonly attemptLimitMs?: number;
  /** For everything, pauses included. Default 18 s. */
  readonly totalLimitMs?: number;
  /** Pause after the first attempt; doubles, with a random part of up to the half. Default 250 ms. */
  readonly backoffMs?: number;
}

/** How one attempt ended; `afterMs`: the receiver named the pause before the next. */
export type Attempted =
  | { readonly delivered: true }
  | { readonly delivered: false; readonly final: boolean; readonly why: string; readonly afterMs?: number };

/**
 * Tries until it is taken, refused for good, or a limit is reached; `attempt` gets the signal of the whole delivery. Rejects
 * with `AlertUndelivered`; `what` begins its sentence.
 */
export async function delivered(
  what: string,
  limits: RetryLimits,
  signal: AbortSignal,
  attempt: (signal: AbortSignal) => Promise<Attempted>,
): Promise<void> {
  const total = AbortSignal.any([signal, AbortSignal.timeout(limits.totalLimitMs ?? 18_000)]);
  const attempts = limits.attempts ?? 5;
  let why = 'no attempt was made in time';
  let final = false;
  for (let made = 1; made <= attempts && !total.aborted; made += 1) {
    const outcome = await attempt(total);
    if (outcome.delivered) return;
    why = `${outcome.why} (attempt ${made} of ${attempts})`;
    final = outcome.final && !total.aborted;
    if (outcome.final || made === attempts) break;
    const pauseMs = (limits.backoffMs ?? 250) * 2 ** (made - 1) * (1 + Math.random() / 2);
    await pause(Math.max(pauseMs, outcome.afterMs ?? 0), undefined, { signal: total }).catch(() => {});
  }
  throw new AlertUndelivered(`${what} did not take the alert: ${why}`, final);
}
