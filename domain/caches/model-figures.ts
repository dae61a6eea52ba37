/**
 * Quantile of values of which each stands for `weight` samples; null where there are none. Of the p99 of many short rows it
 * is no less than the p99 of all samples: what is judged by it is judged on the safe side.
 */
export function weightedQuantile(
  values: readonly { readonly value: number; readonly weight: number }[],
  quantile: number,
): number | null {
  const sorted = values.filter(({ weight }) => weight > 0).sort((one, other) => one.value - other.value);
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
  let seen = 0;
  for (const { value, weight } of sorted) {
    seen += weight;
    if (seen >= quantile * total) return value;
  }
  return sorted.at(-1)?.value ?? null;
}
