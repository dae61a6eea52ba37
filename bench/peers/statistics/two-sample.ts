import { normalSurvival } from '../../../domain/detection/normal-distribution';
import { studentTwoSided } from './distributions';

type Sample = readonly number[];

export interface Test {
  readonly statistic: number;
  readonly pValue: number;
}

const mean = (values: Sample): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** U of the first sample and its two-sided p-value: normal approximation with corrections for ties and continuity. */
export function mannWhitney(a: Sample, b: Sample): Test {
  const all = [...a, ...b].sort((x, y) => x - y);
  const rank = new Map<number, number>();
  let ties = 0;
  for (let i = 0; i < all.length;) {
    let end = i;
    while (end < all.length && all[end] === all[i]) end += 1;
    rank.set(all[i] ?? NaN, (i + 1 + end) / 2);
    const size = end - i;
    ties += size ** 3 - size;
    i = end;
  }
  const rankSum = a.reduce((sum, value) => sum + (rank.get(value) ?? NaN), 0);
  const u = rankSum - (a.length * (a.length + 1)) / 2;
  const count = all.length;
  const middle = (a.length * b.length) / 2;
  const sd = Math.sqrt(((a.length * b.length) / 12) * (count + 1 - ties / (count * (count - 1))));
  const z = (Math.abs(u - middle) - 0.5) / sd;
  return { statistic: u, pValue: Math.min(1, 2 * normalSurvival(z)) };
}

/** Welch's t with the Satterthwaite degrees of freedom, two-sided. */
export function welch(a: Sample, b: Sample): Test {
  const [left, right] = [a, b].map((sample) => {
    const center = mean(sample);
    const variance = sample.reduce((sum, value) => sum + (value - center) ** 2, 0) / (sample.length - 1);
    return { center, error: variance / sample.length, freedom: sample.length - 1 };
  }) as [Moments, Moments];
  const error = left.error + right.error;
  const statistic = (left.center - right.center) / Math.sqrt(error);
  const freedom = error ** 2 / (left.error ** 2 / left.freedom + right.error ** 2 / right.freedom);
  return { statistic, pValue: studentTwoSided(statistic, freedom) };
}

interface Moments {
  readonly center: number;
  readonly error: number;
  readonly freedom: number;
}

/** ∫ |F − G|: the earth mover's distance on a line. */
export function wasserstein(a: Sample, b: Sample): number {
  return integralOfDifference(a, b, Math.abs);
}

/** √(2 ∫ (F − G)²): the energy distance on a line (Székely). */
export function energyDistance(a: Sample, b: Sample): number {
  return Math.sqrt(2 * integralOfDifference(a, b, (difference) => difference ** 2));
}

function integralOfDifference(a: Sample, b: Sample, of: (difference: number) => number): number {
  const steps = [
    ...a.map((value) => ({ value, step: 1 / a.length })),
    ...b.map((value) => ({ value, step: -1 / b.length })),
  ].sort((x, y) => x.value - y.value);
  let difference = 0;
  let integral = 0;
  steps.forEach(({ value, step }, index) => {
    difference += step;
    integral += of(difference) * ((steps[index + 1]?.value ?? value) - value);
  });
  return integral;
}
