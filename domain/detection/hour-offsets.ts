import { factorAt, hourOfDayFactors, type UsualLevel } from './hour-of-day';
import { median } from './robust';

/** Three digits of an offset are more than a median of some days knows. */
const DIGITS = 3;

/**
 * By how much each hour of the day (UTC) usually differs from the whole, in the metric's own unit: 24 offsets, those of the
 * middles of the hours. For metrics that may be zero or below it, where a factor says nothing; the proof that days repeat
 * themselves is that of `hourOfDayFactors`, which a shift of all values makes one of differences. Null without it.
 */
export function hourOffsets(levels: readonly UsualLevel[]): number[] | null {
  const known = levels.filter(({ value }) => Number.isFinite(value));
  const values = known.map(({ value }) => value);
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const range = values.reduce((most, value) => Math.max(most, value), -Infinity) - low;
  if (!(range > 0) || !Number.isFinite(range)) return null;
  // All values lie in [range, 2 range] now: small factors, and no division by what is nearly nothing.
  const shift = range - low;
  const factors = hourOfDayFactors(known.map(({ atMs, value }) => ({ atMs, value: value + shift })));
  if (factors === null) return null;
  const level = (median(values) ?? NaN) + shift;
  return factors.map((factor) => Number(((factor - 1) * level).toPrecision(DIGITS)));
}

/** The offset of a moment, linear between the middles of the hours; 0 without offsets. */
export function offsetAt(offsets: readonly number[] | null | undefined, atMs: number): number {
  return offsets ? factorAt(offsets, atMs) : 0;
}
