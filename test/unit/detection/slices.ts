/** Runs a computation in slices to its end, without a pause between them. */
export function finished<T>(slices: Generator<void, T>): T {
  for (;;) {
    const step = slices.next();
    if (step.done === true) return step.value;
  }
}
