import { messageOf } from './failures';
import type { InstanceEvent, ServingRuntime } from './ports';

export interface Hints {
  /** Resolves at the next event of a copy, or after `ms`, or when the signal aborts. */
  orAfter(ms: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Follows the events of a runtime that has any, so that whoever waits for its next look can look at once. */
export function hintsOf(runtime: ServingRuntime, service: string, onEvent: (event: InstanceEvent) => void): Hints {
  const closing = new AbortController();
  let pending = false;
  let wake: (() => void) | null = null;
  const follow = async (): Promise<void> => {
    if (runtime.events === undefined) return;
    for await (const event of runtime.events(service, closing.signal)) {
      onEvent(event);
      pending = true;
      wake?.();
    }
  };
  // Hints only: without them the looks come by their clock.
  follow().catch((error: unknown) => {
    if (!closing.signal.aborted)
      onEvent({ at: Date.now(), event: 'engine-lost', instance: null, detail: messageOf(error) });
  });
  return {
    async orAfter(ms, signal) {
      if (pending) pending = false;
      else await pauseUntil(ms, signal, (done) => (wake = done));
      wake = null;
      pending = false;
    },
    close: () => closing.abort(),
  };
}

function pauseUntil(ms: number, signal: AbortSignal, onWake: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    onWake(done);
  });
}
