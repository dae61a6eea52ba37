import type { DistanceMatrix } from './distance-matrix';
import { shuffle } from './seeded-random';

export interface EnergyTestOptions {
  /** Level of the limit, for example .01; at least 1 / (permutations + 1). */
  readonly alpha: number;
  readonly permutations: number;
  readonly uniform: () => number;
  /**
   * One name a point. Labels are exchanged only between points of the same stratum: with the prompt as the stratum the
   * test is the paired one, and what prompts differ in counts no more. Absent: one stratum, the unpaired test.
   */
  readonly strata?: readonly number[];
}

export interface EnergyTestResult {
  /** √(2 E‖X−Y‖ − E‖X−X′‖ − E‖Y−Y′‖) over all pairs, a point with itself included (Székely & Rizzo; as scipy). */
  readonly distance: number;
  /** `distance` above it has p ≤ alpha. */
  readonly limit: number;
  /** Share of relabellings, the observed one counted, whose distance is at least the observed one. */
  readonly p: number;
  /** The distance that relabellings have on average: what so few points differ by without a difference. */
  readonly chance: number;
  /** Mean distance between a point of the one sample and one of the other. */
  readonly cross: number;
  /**
   * Size of the difference: the squared distance beyond the mean of its relabellings, as a part of 2 E‖X−Y‖. About 0
   * without a difference whatever the sample size, near 1 for two clusters far apart.
   */
  readonly effect: number;
  readonly baseline: number;
  readonly current: number;
}

/** Relabellings that differ in the order of a sum alone are the same: without this, ties would be decided by rounding. */
const TIE = 1e-12;

/**
 * Are the points for which `current` is 1 drawn from the distribution of the others? Permutation test on the energy
 * distance: exact whenever labels are exchangeable within strata, at every sample size (Phipson & Smyth 2010 for the
 * counted observation). Work in slices, one relabelling each. Throws RangeError when one of both is empty or `alpha`
 * cannot be reached.
 */
export function* energyTest(
  matrix: DistanceMatrix,
  current: ArrayLike<number>,
  options: EnergyTestOptions,
): Generator<void, EnergyTestResult> {
  const labels = Int32Array.from({ length: matrix.size }, (_, point) => (current[point] === 1 ? 1 : 0));
  const count = labels.reduce((sum, label) => sum + label, 0);
  if (count === 0 || count === matrix.size) throw new RangeError('an energy test needs points of both samples');
  const rank = Math.floor(options.alpha * (options.permutations + 1) + 1e-9);
  if (rank < 1) throw new RangeError(`${options.permutations} permutations cannot reach a level of ${options.alpha}`);

  const sums = new PairSums(matrix);
  const observed = sums.of(labels);
  const { order, ends } = byStratum(matrix.size, options.strata);
  const shuffled = Int32Array.from(order, (point) => labels[point] ?? 0);
  const relabelled = new Int32Array(matrix.size);
  const squared = new Float64Array(options.permutations);
  for (let draw = 0; draw < options.permutations; draw += 1) {
    let from = 0;
    for (const end of ends) {
      shuffle(shuffled, from, end, options.uniform);
      from = end;
    }
    for (let at = 0; at < order.length; at += 1) relabelled[order[at] as number] = shuffled[at] as number;
    squared[draw] = sums.of(relabelled).squared;
    yield;
  }

  const tie = TIE * sums.mean;
  let atLeast = 0;
  let total = 0;
  for (const value of squared) {
    if (value >= observed.squared - tie) atLeast += 1;
    total += value;
  }
  squared.sort();
  const limit = squared[options.permutations - rank] ?? NaN;
  const chance = Math.max(0, total / options.permutations);
  return {
    distance: Math.sqrt(Math.max(0, observed.squared)),
    limit: Math.sqrt(Math.max(0, limit + tie)),
    p: (atLeast + 1) / (options.permutations + 1),
    chance: Math.sqrt(chance),
    cross: observed.cross,
    effect: observed.cross > 0 ? (observed.squared - chance) / (2 * observed.cross) : 0,
    baseline: matrix.size - count,
    current: count,
  };
}

/** The distance above which both hold: p ≤ alpha, and an effect of at least that size. */
export function limitWithEffect({ limit, chance, cross }: EnergyTestResult, effect: number): number {
  return Math.max(limit, Math.sqrt(chance ** 2 + 2 * effect * cross));
}

/** The squared energy distance of two samples without a test. */
export function squaredEnergyDistance(matrix: DistanceMatrix, current: ArrayLike<number>): number {
  return new PairSums(matrix).of(Int32Array.from({ length: matrix.size }, (_, point) => current[point] ?? 0)).squared;
}

/** Row sums are the same for every labelling; a labelling then costs the pairs of its current sample only. */
class PairSums {
  private readonly rows: Float64Array;
  private readonly total: number;
  /** Mean distance of all pairs. */
  readonly mean: number;
  private readonly chosen: Int32Array;

  constructor(private readonly matrix: DistanceMatrix) {
    const { size, values } = matrix;
    this.rows = Float64Array.from({ length: size }, (_, row) =>
      values.subarray(row * size, (row + 1) * size).reduce((sum, value) => sum + value, 0),
    );
    this.total = this.rows.reduce((sum, value) => sum + value, 0);
    this.mean = this.total / (size * size);
    this.chosen = new Int32Array(size);
  }

  of(labels: Int32Array): { squared: number; cross: number } {
    const { size, values } = this.matrix;
    let count = 0;
    let rowsOfChosen = 0;
    for (let point = 0; point < size; point += 1) {
      if (labels[point] !== 1) continue;
      this.chosen[count] = point;
      count += 1;
      rowsOfChosen += this.rows[point] as number;
    }
    let half = 0;
    for (let left = 1; left < count; left += 1) {
      const row = (this.chosen[left] as number) * size;
      for (let right = 0; right < left; right += 1) half += values[row + (this.chosen[right] as number)] as number;
    }
    const inside = 2 * half;
    const across = rowsOfChosen - inside;
    const outside = this.total - 2 * across - inside;
    const others = size - count;
    const cross = across / (count * others);
    return { squared: 2 * cross - inside / (count * count) - outside / (others * others), cross };
  }
}

/** Points ordered by stratum, and where each stratum ends in that order. */
function byStratum(size: number, strata: readonly number[] | undefined): { order: Int32Array; ends: number[] } {
  const points = Array.from({ length: size }, (_, point) => point);
  if (strata === undefined) return { order: Int32Array.from(points), ends: [size] };
  const stratum = (point: number): number => strata[point] ?? NaN;
  const order = points.sort((left, right) => stratum(left) - stratum(right) || left - right);
  const ends = order.flatMap((point, at) => {
    const next = order[at + 1];
    return next === undefined || stratum(next) !== stratum(point) ? [at + 1] : [];
  });
  return { order: Int32Array.from(order), ends };
}
