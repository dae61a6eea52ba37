/** Nothing real is this many times its own outermost history and still of its shape. */
const FAR = 250;
const FACTORS = [1e3, 1e6] as const;

/**
 * The factor (or its inverse) by which a value that lies far outside a history between `low` and `high` fits into it:
 * seconds for milliseconds, bytes for megabytes. Such a value is a fault of the data; null for any other.
 */
export function unitChange(value: number, low: number, high: number): number | null {
  const inside = (scaled: number): boolean => scaled >= low && scaled <= high;
  if (Math.abs(value) > FAR * Math.max(Math.abs(low), Math.abs(high)))
    return FACTORS.find((factor) => inside(value / factor)) ?? null;
  // A history on both sides of zero has tiny values of its own.
  const smallest = low > 0 ? low : high < 0 ? -high : 0;
  const factor = FACTORS.find((each) => inside(value * each));
  return Math.abs(value) * FAR < smallest && factor !== undefined ? 1 / factor : null;
}
