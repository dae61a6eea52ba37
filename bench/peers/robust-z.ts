import { initialSortedWindow, pushSorted, windowQuantile } from '../../domain/detection/sorted-window';

const WINDOW = 2000;
const MIN_POINTS = 10;
/** Of the median: a series that sits on one value most of the time has no deviation. */
const SMALLEST_SHARE = 0.01;

/** Distance from the median of the last 2,000 values in median absolute deviations (scaled to a normal sigma). */
export function robustZ(values: readonly number[]): number[] {
  const window = initialSortedWindow();
  return values.map((value) => {
    const { sorted } = window;
    const median = windowQuantile(window, 0.5);
    const spread = Math.max(1.4826 * medianDeviation(sorted, median), SMALLEST_SHARE * Math.abs(median), 1e-12);
    const score = sorted.length < MIN_POINTS ? 0 : Math.abs(value - median) / spread;
    pushSorted(window, WINDOW, value);
    return score;
  });
}

/** The smallest distance from the median that holds half of the sorted values. */
function medianDeviation(sorted: readonly number[], median: number): number {
  const half = (sorted.length + 1) >> 1;
  const reach = (begin: number): number =>
    Math.max(median - (sorted[begin] ?? median), (sorted[begin + half - 1] ?? median) - median);
  let low = 0;
  let high = sorted.length - half;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (median - (sorted[middle] ?? median) > (sorted[middle + half - 1] ?? median) - median) low = middle + 1;
    else high = middle;
  }
  return low > 0 ? Math.min(reach(low), reach(low - 1)) : reach(low);
}
