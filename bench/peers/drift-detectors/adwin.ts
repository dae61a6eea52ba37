import type { DriftDetector } from './drift-detector';

interface Bucket {
  total: number;
  /** Sum of squared distances from the bucket's mean. */
  squares: number;
}

const MAX_BUCKETS = 5;
const MIN_SIDE = 5;
const GRACE = 10;

/**
 * ADWIN2 (Bifet & Gavaldà 2007): a window kept as an exponential histogram, from which the oldest part is dropped while
 * any cut of it shows two different means (Bernstein's bound at `delta`). Looks for cuts at every `clock`-th value.
 */
export class Adwin implements DriftDetector {
  /** `rows[i]` holds buckets of 2^i values, oldest first. */
  private rows: Bucket[][] = [[]];
  private width = 0;
  private total = 0;
  private squares = 0;
  private ticks = 0;

  constructor(
    private readonly delta = 0.002,
    private readonly clock = 32,
  ) {}

  update(value: number): boolean {
    this.insert(value);
    this.ticks += 1;
    if (this.ticks % this.clock !== 0 || this.width <= GRACE) return false;
    let detected = false;
    while (this.hasCut()) {
      this.dropOldest();
      detected = true;
    }
    if (detected) this.reset();
    return detected;
  }

  private reset(): void {
    this.rows = [[]];
    this.width = this.total = this.squares = this.ticks = 0;
  }

  private insert(value: number): void {
    this.rows[0]?.push({ total: value, squares: 0 });
    this.width += 1;
    if (this.width > 1) {
      const before = this.width - 1;
      this.squares += (before * (value - this.total / before) ** 2) / this.width;
    }
    this.total += value;
    this.compress();
  }

  private compress(): void {
    for (let level = 0; ; level += 1) {
      const row = this.rows[level];
      if (!row || row.length <= MAX_BUCKETS) return;
      const [first, second] = row.splice(0, 2) as [Bucket, Bucket];
      const size = 2 ** level;
      const next = (this.rows[level + 1] ??= []);
      next.push({
        total: first.total + second.total,
        squares: first.squares + second.squares + (size * (first.total / size - second.total / size) ** 2) / 2,
      });
    }
  }

  private dropOldest(): void {
    const level = this.rows.length - 1;
    const bucket = this.rows[level]?.shift();
    if (!bucket) return;
    const size = 2 ** level;
    this.width -= size;
    this.total -= bucket.total;
    const gap = bucket.total / size - this.total / this.width;
    this.squares -= bucket.squares + (size * this.width * gap * gap) / (size + this.width);
    if (this.rows[level]?.length === 0) this.rows.pop();
  }

  /** Whether any cut between an older and a newer part shows different means. */
  private hasCut(): boolean {
    let oldWidth = 0;
    let oldTotal = 0;
    for (let level = this.rows.length - 1; level >= 0; level -= 1) {
      for (const { total } of this.rows[level] ?? []) {
        oldWidth += 2 ** level;
        oldTotal += total;
        if (this.differs(oldWidth, oldTotal)) return true;
      }
    }
    return false;
  }

  private differs(oldWidth: number, oldTotal: number): boolean {
    const newWidth = this.width - oldWidth;
    if (oldWidth < MIN_SIDE || newWidth < MIN_SIDE) return false;
    const harmonic = 1 / (oldWidth - MIN_SIDE + 1) + 1 / (newWidth - MIN_SIDE + 1);
    const confidence = Math.log((2 * Math.log(this.width)) / this.delta);
    const bound = Math.sqrt(2 * harmonic * (this.squares / this.width) * confidence) + (2 / 3) * confidence * harmonic;
    return Math.abs(oldTotal / oldWidth - (this.total - oldTotal) / newWidth) > bound;
  }
}
