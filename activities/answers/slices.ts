/** A tenth of what others on this event loop may have to wait. */
const SLICE_MS = 2;

/** Runs a computation in slices, and lets everything else on the event loop have its turn every 2 ms. */
export async function inSlices<T>(slices: Generator<void, T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    const until = performance.now() + SLICE_MS;
    do {
      const step = slices.next();
      if (step.done === true) return step.value;
    } while (performance.now() < until);
    await new Promise(setImmediate);
    signal.throwIfAborted();
  }
}
