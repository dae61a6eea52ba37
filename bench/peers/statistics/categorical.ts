import { chiSquaredTail } from './distributions';
import type { Test } from './two-sample';

type Shares = readonly number[];

/** Counts as shares, each count raised by `pseudo` so that none is zero. */
export function shares(counts: Shares, pseudo = 0): number[] {
  const total = counts.reduce((sum, count) => sum + count + pseudo, 0);
  return counts.map((count) => (count + pseudo) / total);
}

/** Σ p ln(p/q), cells with p = 0 contribute nothing. */
export function kullbackLeibler(p: Shares, q: Shares): number {
  return p.reduce((sum, share, index) => sum + (share > 0 ? share * Math.log(share / (q[index] ?? NaN)) : 0), 0);
}

/** Population stability index: the symmetric Kullback–Leibler divergence. */
export function stabilityIndex(p: Shares, q: Shares): number {
  return kullbackLeibler(p, q) + kullbackLeibler(q, p);
}

/** Square root of the Jensen–Shannon divergence. */
export function jensenShannonDistance(p: Shares, q: Shares, base = Math.E): number {
  const middle = p.map((share, index) => (share + (q[index] ?? NaN)) / 2);
  return Math.sqrt((kullbackLeibler(p, middle) + kullbackLeibler(q, middle)) / 2 / Math.log(base));
}

export function hellinger(p: Shares, q: Shares): number {
  const squares = p.reduce((sum, share, index) => sum + (Math.sqrt(share) - Math.sqrt(q[index] ?? NaN)) ** 2, 0);
  return Math.sqrt(squares / 2);
}

/** Pearson's χ² of a table of two rows; columns without counts are left out. */
export function chiSquared(first: Shares, second: Shares): Test {
  const columns = first.map((count, index) => [count, second[index] ?? 0] as const).filter(([a, b]) => a + b > 0);
  const rows = [0, 1].map((row) => columns.reduce((sum, column) => sum + (column[row] ?? 0), 0));
  const total = (rows[0] ?? 0) + (rows[1] ?? 0);
  let statistic = 0;
  for (const column of columns) {
    for (const row of [0, 1]) {
      const expected = ((rows[row] ?? 0) * (column[0] + column[1])) / total;
      statistic += ((column[row] ?? 0) - expected) ** 2 / expected;
    }
  }
  return { statistic, pValue: chiSquaredTail(statistic, columns.length - 1) };
}
