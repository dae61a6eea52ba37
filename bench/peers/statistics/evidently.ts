import { jensenShannonDistance, kullbackLeibler, shares, stabilityIndex } from './categorical';
import { wasserstein } from './two-sample';

type Sample = readonly number[];

/** Distances with the binning of Evidently's legacy engine: Sturges' rule over both samples, by value up to 20 values. */
export function evidently(reference: Sample, current: Sample): Record<string, number> {
  const [rawP, rawQ] = binned(reference, current);
  const [p, q] = [withoutZeros(rawP), withoutZeros(rawQ)];
  const mean = reference.reduce((sum, value) => sum + value, 0) / reference.length;
  const sd = Math.sqrt(reference.reduce((sum, value) => sum + (value - mean) ** 2, 0) / reference.length);
  return {
    psi: stabilityIndex(p, q),
    kl_div: kullbackLeibler(shares(p), shares(q)),
    jensenshannon: jensenShannonDistance(rawP, rawQ),
    wasserstein_norm: wasserstein(reference, current) / Math.max(sd, 0.001),
  };
}

function binned(reference: Sample, current: Sample): [number[], number[]] {
  const both = [...reference, ...current];
  const values = [...new Set(both)].sort((left, right) => left - right);
  const indexOf = values.length <= 20 ? (value: number): number => values.indexOf(value) : sturges(both);
  const bins = Math.max(...both.map(indexOf)) + 1;
  const [p, q] = [reference, current].map((sample) => {
    const counts = new Array<number>(bins).fill(0);
    for (const value of sample) counts[indexOf(value)] = (counts[indexOf(value)] ?? 0) + 1;
    return shares(counts);
  }) as [number[], number[]];
  return [p, q];
}

function sturges(values: Sample): (value: number) => number {
  const low = Math.min(...values);
  const range = Math.max(...values) - low;
  const bins = Math.ceil(Math.log2(values.length) + 1);
  return (value) => Math.min(bins - 1, Math.floor(((value - low) / range) * bins));
}

/** Empty cells count .0001, or a millionth of the smallest share where that is no larger. */
function withoutZeros(all: number[]): number[] {
  const smallest = Math.min(...all.filter((share) => share > 0));
  return all.map((share) => (share > 0 ? share : smallest <= 0.0001 ? smallest / 1e6 : 0.0001));
}
