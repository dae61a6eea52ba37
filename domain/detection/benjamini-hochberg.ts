export interface BenjaminiHochbergResult {
  /** In the order of the input. */
  rejected: boolean[];
  /** Step-up adjusted p-values, in the order of the input. */
  adjusted: number[];
}

/**
 * Controls the share of false discoveries at `level` over independent or positively dependent tests
 * (Benjamini & Hochberg 1995). NaN counts as 1: a test that could not be made rejects nothing.
 */
export function benjaminiHochberg(pValues: readonly number[], level: number): BenjaminiHochbergResult {
  const count = pValues.length;
  const ordered = pValues
    .map((p, index) => ({ p: Number.isNaN(p) ? 1 : p, index }))
    .sort((left, right) => left.p - right.p);
  const adjusted = new Array<number>(count).fill(1);
  let running = 1;
  for (let rank = count; rank >= 1; rank -= 1) {
    const entry = ordered[rank - 1];
    if (entry === undefined) continue;
    running = Math.min(running, (entry.p * count) / rank);
    adjusted[entry.index] = running;
  }
  return { adjusted, rejected: adjusted.map((p) => p <= level) };
}
