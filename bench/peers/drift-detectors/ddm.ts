import type { DriftDetector } from './drift-detector';

/** DDM (Gama et al. 2004): an error rate three deviations above its lowest; values are 0 or 1. */
export class Ddm implements DriftDetector {
  private count = 0;
  private rate = 0;
  private lowest = { rate: Infinity, deviation: Infinity };

  constructor(
    private readonly warmStart = 30,
    private readonly sigmas = 3,
  ) {}

  update(value: number): boolean {
    this.count += 1;
    this.rate += (value - this.rate) / this.count;
    if (this.count <= this.warmStart) return false;
    const deviation = Math.sqrt((this.rate * (1 - this.rate)) / this.count);
    if (this.rate + deviation <= this.lowest.rate + this.lowest.deviation) this.lowest = { rate: this.rate, deviation };
    if (!(this.rate + deviation > this.lowest.rate + this.sigmas * this.lowest.deviation)) return false;
    this.count = this.rate = 0;
    this.lowest = { rate: Infinity, deviation: Infinity };
    return true;
  }
}
