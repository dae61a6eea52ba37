import { setTimeout as pause } from 'node:timers/promises';
import { sessionMembers } from '../disk/proc';

const POLL_MS = 25;
/** From SIGKILL to gone; longer is a process that hangs in the kernel. */
const KILL_WAIT_MS = 5_000;

/**
 * Who is asked to end: the whole group, which suits every server, or the program that was started, and it alone. A server
 * that finishes its requests by workers of its own (vLLM) loses them when its workers hear the signal as well.
 */
export type AskedToEnd = 'group' | 'program';

/**
 * Ends every process of a session: SIGTERM to those who are asked, SIGKILL to all after `graceMs`. Resolves to how it
 * ended, or null when something survived. `before` is called ahead of each signal, so that the evidence says what was done
 * even when we die.
 */
export async function endSession(
  session: number,
  graceMs: number,
  asked: AskedToEnd,
  before: (signal: NodeJS.Signals) => Promise<void>,
): Promise<string | null> {
  const began = performance.now();
  const steps = [
    ['SIGTERM', graceMs],
    ['SIGKILL', KILL_WAIT_MS],
  ] as const;
  for (const [signal, waitMs] of steps) {
    await before(signal);
    if (signal === 'SIGTERM' && asked === 'program') signalProgram(session);
    else signalGroup(session, signal);
    // Some servers put their workers into groups of their own.
    if (signal === 'SIGKILL') for (const { pid } of sessionMembers(session)) send(pid, signal);
    const deadline = performance.now() + waitMs;
    do {
      if (sessionMembers(session).length === 0)
        return `${signal}, ended after ${Math.round(performance.now() - began)} ms`;
      await pause(POLL_MS);
    } while (performance.now() < deadline);
  }
  return null;
}

/** The leader of a session is its first process; the program is what the leader started. */
function signalProgram(session: number): void {
  const programs = sessionMembers(session).filter(({ parent }) => parent === session);
  if (programs.length === 0) return signalGroup(session, 'SIGTERM');
  for (const { pid } of programs) send(pid, 'SIGTERM');
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  send(-group, signal);
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (fault) {
    // Ended between the look and the signal.
    if ((fault as NodeJS.ErrnoException).code !== 'ESRCH') throw fault;
  }
}
