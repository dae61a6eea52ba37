import type { DriftDetector } from './drift-detector';

/** FHDDM (Pesaranghader & Viktor 2016): the share of ones in a window falls below its highest by Hoeffding's bound. */
export class Fhddm implements DriftDetector {
  private window: number[] = [];
  private highest = 0;

  constructor(
    private readonly size = 100,
    private readonly confidence = 1e-6,
  ) {}

  update(value: number): boolean {
    this.window = [...this.window, value].slice(-this.size);
    if (this.window.length < this.size) return false;
    const share = this.window.filter((one) => one === 1).length / this.size;
    this.highest = Math.max(this.highest, share);
    if (this.highest - share <= Math.sqrt(Math.log(1 / this.confidence) / (2 * this.size))) return false;
    this.window = [];
    this.highest = 0;
    return true;
  }
}
