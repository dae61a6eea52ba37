/**
 * Rows read from HAProxy's counters have no store that could number them: the number is made of the time, so that it grows
 * over restarts, and everything that a row counted before a moment has a smaller number than that moment.
 */
export function sequenceAt(atMs: number): number {
  return Math.floor(atMs) * 32;
}
