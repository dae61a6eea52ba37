import { cellCounts, clusterCells } from '../../domain/detection/clusters';
import { distanceMatrix, subMatrix, type DistanceMatrix } from '../../domain/detection/distance-matrix';
import { histogramDivergence } from '../../domain/detection/divergence';
import { energyTest } from '../../domain/detection/energy-test';
import { seededUniform, shuffle } from '../../domain/detection/seeded-random';

export interface Settings {
  readonly level: number;
  readonly permutations: number;
  /** Cells of the histogram for PSI. */
  readonly cells: number;
  readonly repeats: number;
}

/** Shares of the repeats in which a difference was reported. */
export interface Reported {
  readonly energy: number;
  /** PSI beyond the limit that knows the sample size. */
  readonly psi: number;
  /** PSI beyond .2, whatever the sample size. */
  readonly psiFixed: number;
  /** Of each repeat's energy test. */
  readonly effects: readonly number[];
}

/** Prompt i is answered by point i (before) and by point `prompts` + i (after). */
export interface Answers {
  readonly matrix: DistanceMatrix;
  readonly prompts: number;
}

/**
 * `unpaired`: the two samples answer different prompts, as windows of real traffic do. `paired`: they answer the same.
 * Without a difference, unpaired: both samples are from one release (half of the repeats from each). Paired there is one
 * answer a prompt and release, so the two answers to a prompt change places at random: then and now are exchangeable
 * by construction, whatever the releases are.
 */
export type Design = 'unpaired' | 'paired';

export function answersOf(before: readonly Float32Array[], after: readonly Float32Array[]): Answers {
  const slices = distanceMatrix([...before, ...after]);
  return { matrix: finished(slices), prompts: before.length };
}

/** Many tests on random samples of `n` answers each, drawn without replacement. */
export function reported(
  { matrix, prompts }: Answers,
  { design, n, differ }: { readonly design: Design; readonly n: number; readonly differ: boolean },
  settings: Settings,
  seed: number,
): Reported {
  const uniform = seededUniform(seed);
  const order = Int32Array.from({ length: prompts }, (_, prompt) => prompt);
  const labels = Array.from({ length: 2 * n }, (_, point) => (point < n ? 0 : 1));
  const strata = labels.map((_, point) => point % n);
  const found = { energy: 0, psi: 0, psiFixed: 0 };
  const effects: number[] = [];
  for (let repeat = 0; repeat < settings.repeats; repeat += 1) {
    shuffle(order, 0, prompts, uniform);
    const points = design === 'paired' ? pairs(order, n, differ) : strangers(order, n, differ, repeat % 2);
    const part = subMatrix(matrix, points);
    const options = { alpha: settings.level, permutations: settings.permutations, uniform };
    const energy = finished(energyTest(part, labels, design === 'paired' ? { ...options, strata } : options));
    effects.push(energy.effect);
    if (energy.p <= settings.level) found.energy += 1;
    const counts = cellCounts(clusterCells(part, settings.cells, uniform), labels);
    const { psi, psiLimit } = histogramDivergence(counts.reference, counts.current, settings.level);
    if (psi > psiLimit) found.psi += 1;
    if (psi > 0.2) found.psiFixed += 1;
  }
  const share = (count: number): number => count / settings.repeats;
  return { energy: share(found.energy), psi: share(found.psi), psiFixed: share(found.psiFixed), effects };

  /** `n` prompts answered before and after. */
  function pairs(drawn: Int32Array, count: number, inOrder: boolean): number[] {
    const chosen = [...drawn.subarray(0, count)];
    const swapped = chosen.map(() => !inOrder && uniform() < 0.5);
    return [
      ...chosen.map((prompt, index) => (swapped[index] ? prompts + prompt : prompt)),
      ...chosen.map((prompt, index) => (swapped[index] ? prompt : prompts + prompt)),
    ];
  }

  /** `n` prompts answered by one release, `n` others by the later one, or by the same. */
  function strangers(drawn: Int32Array, count: number, different: boolean, release: number): number[] {
    const [first, second] = different ? [0, prompts] : [release * prompts, release * prompts];
    return [
      ...[...drawn.subarray(0, count)].map((prompt) => first + prompt),
      ...[...drawn.subarray(count, 2 * count)].map((prompt) => second + prompt),
    ];
  }
}

function finished<T>(slices: Generator<void, T>): T {
  for (;;) {
    const step = slices.next();
    if (step.done === true) return step.value;
  }
}
