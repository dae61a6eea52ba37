/** Largest distance between the empirical distribution functions of two samples. */
export function kolmogorovSmirnov(a: readonly number[], b: readonly number[]): number {
  const left = [...a].sort((x, y) => x - y);
  const right = [...b].sort((x, y) => x - y);
  let i = 0;
  let j = 0;
  let distance = 0;
  while (i < left.length && j < right.length) {
    const value = Math.min(left[i] ?? Infinity, right[j] ?? Infinity);
    while ((left[i] ?? Infinity) <= value) i += 1;
    while ((right[j] ?? Infinity) <= value) j += 1;
    distance = Math.max(distance, Math.abs(i / left.length - j / right.length));
  }
  return distance;
}

/** P(D ≥ distance) over all orders of two samples without ties: the share of lattice paths that leave the band (Hodges 1958). */
export function exactTwoSamplePValue(distance: number, m: number, n: number): number {
  const beyond = (i: number, j: number): boolean => Math.abs(i / m - j / n) >= distance - 1e-12;
  // Probability that a path reached (i, j) inside; the walk goes along one axis, column by column.
  let inside = new Float64Array(n + 1);
  inside[0] = 1;
  for (let j = 1; j <= n; j += 1) inside[j] = beyond(0, j) ? 0 : (inside[j - 1] ?? 0) * stepRight(0, j - 1, m, n);
  for (let i = 1; i <= m; i += 1) {
    const next = new Float64Array(n + 1);
    for (let j = 0; j <= n; j += 1) {
      if (beyond(i, j)) continue;
      const fromLeft = (inside[j] ?? 0) * (1 - stepRight(i - 1, j, m, n));
      const fromBelow = j === 0 ? 0 : (next[j - 1] ?? 0) * stepRight(i, j - 1, m, n);
      next[j] = fromLeft + fromBelow;
    }
    inside = next;
  }
  return 1 - (inside[n] ?? 0);
}

/** Chance that the next of all values in a random order, after i of m and j of n, is of the second sample. */
function stepRight(i: number, j: number, m: number, n: number): number {
  return (n - j) / (m - i + n - j);
}
