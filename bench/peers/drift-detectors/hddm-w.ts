import type { DriftDetector } from './drift-detector';

/** An exponentially weighted mean and the sum of its squared weights. */
interface Weighted {
  mean: number | null;
  squaredWeights: number;
}

const EMPTY: Weighted = { mean: null, squaredWeights: 1 };

/** HDDM-W (Frías-Blanco et al. 2015), increases only: McDiarmid's bound on weighted means; values are 0 or 1. */
export class HddmW implements DriftDetector {
  private all = EMPTY;
  private before = EMPTY;
  private after = EMPTY;
  private cutPoint = Infinity;

  constructor(
    private readonly confidence = 0.001,
    private readonly lambda = 0.05,
  ) {}

  update(value: number): boolean {
    this.all = this.fold(this.all, value);
    const upper = (this.all.mean ?? 0) + this.bound(this.all.squaredWeights);
    if (upper < this.cutPoint) {
      this.cutPoint = upper;
      this.before = this.all;
      this.after = EMPTY;
    } else this.after = this.fold(this.after, value);
    if (this.before.mean === null || this.after.mean === null) return false;
    const bound = this.bound(this.before.squaredWeights + this.after.squaredWeights);
    if (this.after.mean - this.before.mean <= bound) return false;
    this.all = this.before = this.after = EMPTY;
    this.cutPoint = Infinity;
    return true;
  }

  private fold({ mean, squaredWeights }: Weighted, value: number): Weighted {
    return {
      mean: mean === null ? value : mean + this.lambda * (value - mean),
      squaredWeights: this.lambda ** 2 + (1 - this.lambda) ** 2 * squaredWeights,
    };
  }

  private bound(squaredWeights: number): number {
    return Math.sqrt((squaredWeights * Math.log(1 / this.confidence)) / 2);
  }
}
