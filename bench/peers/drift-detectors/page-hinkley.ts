import type { DriftDetector } from './drift-detector';

/** Page–Hinkley, both directions, with forgetting of the sums (not of the mean). */
export class PageHinkley implements DriftDetector {
  private count = 0;
  private mean = 0;
  private rise = 0;
  private fall = 0;
  private lowest = Infinity;
  private highest = -Infinity;

  constructor(
    private readonly threshold = 50,
    private readonly delta = 0.005,
    private readonly minInstances = 30,
    private readonly alpha = 0.9999,
  ) {}

  update(value: number): boolean {
    this.count += 1;
    this.mean += (value - this.mean) / this.count;
    const deviation = value - this.mean;
    this.rise = this.alpha * this.rise + deviation - this.delta;
    this.fall = this.alpha * this.fall + deviation + this.delta;
    this.lowest = Math.min(this.lowest, this.rise);
    this.highest = Math.max(this.highest, this.fall);
    const beyond = this.rise - this.lowest > this.threshold || this.highest - this.fall > this.threshold;
    if (this.count < this.minInstances || !beyond) return false;
    this.count = this.mean = this.rise = this.fall = 0;
    this.lowest = Infinity;
    this.highest = -Infinity;
    return true;
  }
}
