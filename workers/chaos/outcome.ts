import { setTimeout as pause } from 'node:timers/promises';
import type { Experiment } from '../../domain/chaos/experiment';
import type { Observations, SeenEntry } from '../../domain/chaos/observations';
import type { Observer } from './observer';
import type { ServiceFacts } from './world';

const POLL_MS = 40;
/** From the end of an operation to its entry in the ledger. */
const LEDGER_LAG_MS = 5_000;

type Outcome = NonNullable<Observations['outcome']>;

/**
 * Waits for what the operation of the experiment comes to. `none` is known only when the time is over: nothing began.
 */
export async function awaitOutcome(
  experiment: Experiment,
  observer: Observer,
  signal: AbortSignal,
): Promise<{ outcome: Outcome | null; primary: string | null }> {
  const { withinMs } = experiment.expect;
  const deadline = performance.now() + withinMs;
  let idleSince: number | null = null;
  for (;;) {
    const { state } = await observer.look();
    const entries = await observer.ledger();
    const primary = (observer.state?.declared ?? null)?.primary ?? null;
    if (state !== null) {
      if (isWaiting(state)) return { outcome: 'waiting-for-human', primary };
      if (state.operation === null) {
        idleSince ??= performance.now();
        const ended = endingIn(entries);
        if (ended !== null) return { outcome: ended, primary };
        // What was triggered is over and the ledger does not say how: its entry may still be on its way.
        if (began(entries) && performance.now() - idleSince > LEDGER_LAG_MS) return { outcome: 'abandoned', primary };
      } else idleSince = null;
    }
    if (signal.aborted) return { outcome: null, primary };
    if (performance.now() >= deadline) {
      const nothing = state !== null && state.operation === null && !began(entries);
      return { outcome: nothing ? 'none' : null, primary };
    }
    await pause(POLL_MS);
  }
}

function isWaiting({ operation, incident }: ServiceFacts): boolean {
  if (operation !== null) return operation.waiting !== null;
  return incident?.phase === 'waiting-for-human';
}

function began(entries: readonly SeenEntry[]): boolean {
  return entries.some(({ kind }) => kind === 'rollback-decided');
}

/** The last word on the rollback of this run; null while there is none. */
function endingIn(entries: readonly SeenEntry[]): Outcome | null {
  const last = entries.findLast(
    ({ kind }) => kind === 'settled' || kind === 'incident-ended' || kind === 'rollback-decided',
  );
  if (last?.kind === 'settled') return 'settled';
  if (last?.kind !== 'incident-ended') return null;
  if (entries.some(({ kind }) => kind === 'settled')) return 'settled';
  return last.summary.includes(' was stopped: ') ? 'cancelled' : 'abandoned';
}
