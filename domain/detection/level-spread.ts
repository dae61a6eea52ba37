/** Counts of one stretch of good time. */
export interface StretchCounts {
  trials: number;
  failures: number;
}

const MIN_STRETCHES = 6;

/**
 * By how much the level of a rate itself moves from one stretch of good time to the next: the standard deviation beyond
 * what binomial counts have (method of moments, DerSimonian & Laird 1986). 0 where the counts explain it, or where there
 * are fewer than six stretches.
 */
export function levelSpread(stretches: readonly StretchCounts[]): number {
  const known = stretches.filter(({ trials, failures }) => trials > 0 && failures >= 0 && failures <= trials);
  if (known.length < MIN_STRETCHES) return 0;
  let [all, failed, squares] = [0, 0, 0];
  for (const { trials, failures } of known) {
    all += trials;
    failed += failures;
    squares += trials * trials;
  }
  const rate = failed / all;
  const scatter = known.reduce((sum, { trials, failures }) => sum + trials * (failures / trials - rate) ** 2, 0);
  const free = all - squares / all;
  return free > 0 ? Math.sqrt(Math.max(0, (scatter - (known.length - 1) * rate * (1 - rate)) / free)) : 0;
}
