/** The newest values of a series, once in order of arrival (a ring) and once sorted. JSON-serialisable, bounded. */
export interface SortedWindow {
  ring: number[];
  /** Where the next value goes once the ring is full. */
  next: number;
  sorted: number[];
}

export function initialSortedWindow(): SortedWindow {
  return { ring: [], next: 0, sorted: [] };
}

/** Adds a finite value in place and drops the oldest beyond `size`. O(size) moves of memory, O(log size) comparisons. */
export function pushSorted(window: SortedWindow, size: number, value: number): void {
  const { ring, sorted } = window;
  if (ring.length < size) {
    ring.push(value);
    sorted.splice(lowerBound(sorted, value), 0, value);
    return;
  }
  replaceSorted(sorted, ring[window.next] ?? value, value);
  ring[window.next] = value;
  window.next = (window.next + 1) % size;
}

/** Moves only what lies between the old value and the new one. */
function replaceSorted(sorted: number[], oldest: number, value: number): void {
  let at = lowerBound(sorted, oldest);
  for (; at + 1 < sorted.length && (sorted[at + 1] ?? Infinity) < value; at += 1) sorted[at] = sorted[at + 1] ?? value;
  for (; at > 0 && (sorted[at - 1] ?? -Infinity) > value; at -= 1) sorted[at] = sorted[at - 1] ?? value;
  sorted[at] = value;
}

/** Quantile by linear interpolation (numpy type 7); NaN for an empty window. */
export function windowQuantile(window: SortedWindow, q: number): number {
  const { sorted } = window;
  const position = (sorted.length - 1) * q;
  const low = Math.floor(position);
  const lower = sorted[low] ?? NaN;
  const upper = sorted[Math.min(low + 1, sorted.length - 1)] ?? NaN;
  return lower + (upper - lower) * (position - low);
}

function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? Infinity) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
