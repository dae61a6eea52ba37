import { setTimeout as pause } from 'node:timers/promises';
import { sessionMembers } from '../disk/proc';

const POLL_MS = 25;
/** From SIGKILL to gone; longer is a process that hangs in the kernel. */
const KILL_WAIT_MS = 5_000;

/**
 * Ends every process of a session: SIGTERM to its group, SIGKILL after `graceMs`. Resolves to how it ended, or null when
 * something survived. `before` is called ahead of each signal, so that the evidence says what was done even when we die.
 */
export async function endSession(
  session: number,
  graceMs: number,
  before: (signal: NodeJS.Signals) => Promise<void>,
): Promise<string | null> {
  const began = performance.now();
  const steps = [
    ['SIGTERM', graceMs],
    ['SIGKILL', KILL_WAIT_MS],
  ] as const;
  for (const [signal, waitMs] of steps) {
    await before(signal);
    signalGroup(session, signal);
    const deadline = performance.now() + waitMs;
    do {
      if (sessionMembers(session).length === 0)
        return `${signal}, ended after ${Math.round(performance.now() - began)} ms`;
      await pause(POLL_MS);
    } while (performance.now() < deadline);
  }
  return null;
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (fault) {
    // Ended between the look and the signal.
    if ((fault as NodeJS.ErrnoException).code !== 'ESRCH') throw fault;
  }
}
