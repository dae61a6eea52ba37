import type { GoodPeriod } from '../../workflows/contract/activities';

/** Bounds the reading: 36 slices of ten minutes are six hours of rows at most. */
const SLICE_MS = 600_000;
const SLICES_MAX = 36;

/** Newest slices of each period in turn, so that every period has a say within the bound. */
export function slicesOf(periods: readonly GoodPeriod[]): GoodPeriod[] {
  const each = Math.max(1, Math.floor(SLICES_MAX / Math.max(1, periods.length)));
  const slices: GoodPeriod[] = [];
  for (const { version, from, to } of periods)
    for (let index = 0, end = to; index < each && end > from; index += 1, end -= SLICE_MS)
      slices.push({ version, from: Math.max(from, end - SLICE_MS), to: end });
  return slices;
}
