import type { DriftDetector } from './drift-detector';

interface Average {
  count: number;
  mean: number;
}

/** HDDM-A (Frías-Blanco et al. 2015), increases only: Hoeffding's bound on plain averages; values are 0 or 1. */
export class HddmA implements DriftDetector {
  private all: Average = { count: 0, mean: 0 };
  private cut: Average = { count: 0, mean: 0 };

  constructor(private readonly confidence = 0.001) {}

  update(value: number): boolean {
    const count = this.all.count + 1;
    this.all = { count, mean: this.all.mean + (value - this.all.mean) / count };
    if (this.cut.count === 0) this.cut = this.all;
    if (this.cut.mean + this.bound(this.cut) >= this.all.mean + this.bound(this.all)) this.cut = this.all;
    if (this.cut.count === count) return false;
    const weight = (count - this.cut.count) / this.cut.count / count;
    const epsilon = Math.sqrt((weight / 2) * Math.log(2 / this.confidence));
    if (this.all.mean - this.cut.mean < epsilon) return false;
    this.all = this.cut = { count: 0, mean: 0 };
    return true;
  }

  private bound({ count }: Average): number {
    return Math.sqrt(Math.log(1 / this.confidence) / (2 * count));
  }
}
