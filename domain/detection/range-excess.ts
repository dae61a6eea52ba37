import { initialSortedWindow, pushSorted, windowQuantile, type SortedWindow } from './sorted-window';

/** Points of past that make the range: enough that 1 % of them are 20, few enough that last month does not rule. */
const WINDOW_POINTS = 2000;
const MIN_POINTS = 20;
/** Quantiles of a standard normal distribution at 99 % and 90 %: with them a spread of normal data is its sigma. */
const Z99 = 2.3263478740408408;
const Z90 = 1.2815515655446004;
/** Two points beyond the bulk count as one point beyond the tails when they are so many times as far. */
const BULK_FACTOR = 1.25;

/** A series' own range: its past and where the last point lay in it. JSON-serialisable, bounded. */
export interface RangeExcess {
  window: SortedWindow;
  /** Distance of the last point from the median in spreads of the bulk; null while there is no spread. */
  bulk: number | null;
}

/** Distances from the median, in sigmas of the past, by direction; 0 and above. */
export interface Excess {
  up: number;
  down: number;
  /** Signed distance in spreads of the bulk. */
  bulk: number;
  center: number;
  /** Spread of one sigma between the 1 % and 99 % quantiles, and between the 10 % and 90 % quantiles. */
  tailSpread: number;
  bulkSpread: number;
}

export function initialRangeExcess(): RangeExcess {
  return { window: initialSortedWindow(), bulk: null };
}

/**
 * Measures a value against the past range, then adds it to the past (in place); null while the past is too short.
 * One point is judged by the tails (it must lie far beyond what one point in a hundred does), two in a row by the bulk.
 * `floor` is the smallest spread; where the past has none at all, any other value is infinitely far.
 */
export function stepRangeExcess(range: RangeExcess, value: number, floor: number): Excess | null {
  const { window } = range;
  const before = range.bulk ?? 0;
  const past = window.ring.length >= MIN_POINTS ? excessOf(window, value, before, floor) : null;
  range.bulk = past?.bulk ?? null;
  pushSorted(window, WINDOW_POINTS, value);
  return past;
}

function excessOf(window: SortedWindow, value: number, before: number, floor: number): Excess {
  const center = windowQuantile(window, 0.5);
  const bulkSpread = Math.max(floor, (windowQuantile(window, 0.9) - windowQuantile(window, 0.1)) / (2 * Z90));
  // A daily rhythm has short tails: measured by them alone its whole range would be narrower than its bulk.
  const tailSpread = Math.max(bulkSpread, (windowQuantile(window, 0.99) - windowQuantile(window, 0.01)) / (2 * Z99));
  const tail = distance(value - center, tailSpread);
  const bulk = distance(value - center, bulkSpread);
  return {
    up: Math.max(0, tail, Math.min(bulk, before) / BULK_FACTOR),
    down: Math.max(0, -tail, Math.min(-bulk, -before) / BULK_FACTOR),
    bulk,
    center,
    tailSpread,
    bulkSpread,
  };
}

/** Finite, so that it survives JSON and sums. */
function distance(difference: number, spread: number): number {
  if (difference === 0) return 0;
  return Math.max(-1e6, Math.min(1e6, difference / spread));
}
