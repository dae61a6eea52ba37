import { chiSquareQuantile } from './chi-square';

/** Below it a difference between two histograms is of no practical matter, however many answers stand behind it. */
const PRACTICAL_PSI = 0.1;

/** Half an observation in each cell beside the counted ones: an empty cell is rare, not impossible. */
const PRIOR = 0.5;

export interface HistogramDivergence {
  /** Population stability index, Σ (c − r) ln(c / r). */
  readonly psi: number;
  readonly psiLimit: number;
  /** KL(current ‖ reference) in nats. */
  readonly kl: number;
  readonly klLimit: number;
  readonly cells: number;
}

/**
 * PSI and KL of two histograms over the same cells, with limits that know the sample sizes. Without a difference PSI is
 * distributed as (1/n + 1/m) χ² with cells − 1 degrees of freedom (Yurdakul & Naranjo 2020), and KL, in which PSI's two
 * halves are nearly equal, as half of it: the limit is that quantile, or the practical one (.1; .05) where it is higher.
 * With one cell there is nothing to compare: zeros.
 */
export function histogramDivergence(
  reference: readonly number[],
  current: readonly number[],
  alpha: number,
): HistogramDivergence {
  const [n, m] = [total(reference), total(current)];
  const cells = reference.length;
  const chance = cells > 1 && n > 0 && m > 0 ? (1 / n + 1 / m) * chiSquareQuantile(1 - alpha, cells - 1) : 0;
  return {
    psi: populationStability(reference, current),
    psiLimit: Math.max(PRACTICAL_PSI, chance),
    kl: kullbackLeibler(current, reference),
    klLimit: Math.max(PRACTICAL_PSI / 2, chance / 2),
    cells,
  };
}

export function populationStability(reference: readonly number[], current: readonly number[]): number {
  return kullbackLeibler(reference, current) + kullbackLeibler(current, reference);
}

/** Σ p ln(p / q) in nats, of counts. */
export function kullbackLeibler(of: readonly number[], from: readonly number[]): number {
  const [p, q] = [shares(of), shares(from)];
  return p.reduce((sum, share, cell) => sum + share * Math.log(share / (q[cell] ?? NaN)), 0);
}

function shares(counts: readonly number[]): number[] {
  const all = total(counts) + PRIOR * counts.length;
  return counts.map((count) => (count + PRIOR) / all);
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
