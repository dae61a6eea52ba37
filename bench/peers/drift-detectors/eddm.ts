import type { DriftDetector } from './drift-detector';

/** EDDM (Baena-García et al. 2006): the distance between errors shrinks to `beta` of its widest; values are 0 or 1. */
export class Eddm implements DriftDetector {
  private count = 0;
  private lastError = 0;
  private errors = 0;
  private mean = 0;
  private squares = 0;
  private widest = -1;

  constructor(
    private readonly warmStart = 30,
    private readonly beta = 0.9,
  ) {}

  update(value: number): boolean {
    this.count += 1;
    if (value !== 1) return false;
    const distance = this.count - this.lastError;
    this.lastError = this.count;
    this.errors += 1;
    const before = this.mean;
    this.mean += (distance - before) / this.errors;
    this.squares += (distance - before) * (distance - this.mean);
    if (this.count <= this.warmStart) return false;
    const variance = this.errors > 1 ? this.squares / (this.errors - 1) : 0;
    const width = this.mean + 2 * Math.sqrt(variance);
    if (width > this.widest) {
      this.widest = width;
      return false;
    }
    if (this.errors <= this.warmStart || width / this.widest >= this.beta) return false;
    this.count = this.lastError = this.errors = this.mean = this.squares = 0;
    this.widest = -1;
    return true;
  }
}
