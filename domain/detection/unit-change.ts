/** Nothing real is this many times its own outermost history and still of its shape. */
const FAR = 250;
const FACTOR = 1000;

/**
 * 1000 or 1/1000 when a value lies far outside a history between `low` and `high` and fits into it once it is divided by
 * that: seconds for milliseconds, bytes for kilobytes. Such a value is a fault of the data; null for any other.
 */
export function unitChange(value: number, low: number, high: number): number | null {
  const inside = (scaled: number): boolean => scaled >= low && scaled <= high;
  if (Math.abs(value) > FAR * Math.max(Math.abs(low), Math.abs(high)) && inside(value / FACTOR)) return FACTOR;
  // A history on both sides of zero has tiny values of its own.
  const smallest = low > 0 ? low : high < 0 ? -high : 0;
  return Math.abs(value) * FAR < smallest && inside(value * FACTOR) ? 1 / FACTOR : null;
}
