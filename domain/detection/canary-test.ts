import { lnGamma } from './binomial-distribution';
import { distanceMatrix } from './distance-matrix';
import { energyTest, type EnergyTestOptions, type EnergyTestResult } from './energy-test';

/** Embedded answers to one prompt: those of the good period, and those of now. At least one of each. */
export interface CanaryPrompt {
  readonly baseline: readonly ArrayLike<number>[];
  readonly current: readonly ArrayLike<number>[];
}

export interface CanaryTestResult extends EnergyTestResult {
  readonly prompts: number;
  /** Mean over the prompts of the cosine between an answer of the good period and one of now. */
  readonly cosine: number;
  /** The same between two answers of the good period; null where each prompt was asked only once. */
  readonly ownCosine: number | null;
  /** The least p that so many answers can give. Above `alpha` the test can find nothing. */
  readonly leastP: number;
}

/**
 * The paired test: the same prompts, answered then and now. A stable model answers differently each time as well, so the
 * null is not "the same answer" but "the answers to a prompt are exchangeable between then and now": labels move within
 * a prompt only. Exact with one answer each (labels are swapped within the pair) and with several, which sharpen it by
 * the model's own variability. Prompts without an answer on one side are left out.
 */
export function* canaryTest(
  prompts: readonly CanaryPrompt[],
  options: Omit<EnergyTestOptions, 'strata'>,
): Generator<void, CanaryTestResult> {
  const usable = prompts.filter(({ baseline, current }) => baseline.length > 0 && current.length > 0);
  const points = usable.flatMap(({ baseline, current }) => [...baseline, ...current]);
  const strata = usable.flatMap(({ baseline, current }, prompt) =>
    new Array<number>(baseline.length + current.length).fill(prompt),
  );
  const labels = usable.flatMap(({ baseline, current }) => [...baseline.map(() => 0), ...current.map(() => 1)]);
  const matrix = yield* distanceMatrix(points);
  const result = yield* energyTest(matrix, labels, { ...options, strata });
  const own = usable.flatMap(({ baseline }) => mean(pairs(baseline).map(([left, right]) => cosine(left, right))) ?? []);
  const across = usable.flatMap(
    ({ baseline, current }) => mean(baseline.flatMap((then) => current.map((now) => cosine(then, now)))) ?? [],
  );
  const leastP = Math.max(1 / (options.permutations + 1), leastShare(usable));
  return { ...result, prompts: usable.length, cosine: mean(across) ?? NaN, ownCosine: mean(own), leastP };
}

export function cosine(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let [product, leftSquare, rightSquare] = [0, 0, 0];
  for (let axis = 0; axis < left.length; axis += 1) {
    const [a, b] = [left[axis] ?? NaN, right[axis] ?? NaN];
    product += a * b;
    leftSquare += a * a;
    rightSquare += b * b;
  }
  const norm = Math.sqrt(leftSquare * rightSquare);
  return norm > 0 ? product / norm : 0;
}

/** One in so many relabellings is the observed one; with as many answers then as now its mirror image is another. */
function leastShare(prompts: readonly CanaryPrompt[]): number {
  const lnWays = prompts.reduce((sum, { baseline, current }) => {
    const [then, now] = [baseline.length, current.length];
    return sum + lnGamma(then + now + 1) - lnGamma(then + 1) - lnGamma(now + 1);
  }, 0);
  const mirrored = prompts.every(({ baseline, current }) => baseline.length === current.length);
  return Math.min(1, (mirrored ? 2 : 1) * Math.exp(-lnWays));
}

function pairs<T>(items: readonly T[]): [T, T][] {
  return items.flatMap((left, index) => items.slice(index + 1).map((right): [T, T] => [left, right]));
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
