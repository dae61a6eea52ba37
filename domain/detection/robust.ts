import { normalSurvival } from './normal-distribution';

/** Median of finite numbers; null for none. */
export function median(values: readonly number[]): number | null {
  return quantile(values, 0.5);
}

/** Quantile by linear interpolation (numpy type 7); null for no values. */
export function quantile(values: readonly number[], q: number): number | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const position = (sorted.length - 1) * q;
  const low = Math.floor(position);
  const lower = sorted[low] ?? NaN;
  const upper = sorted[Math.min(low + 1, sorted.length - 1)] ?? NaN;
  return lower + (upper - lower) * (position - low);
}

/** Median absolute deviation, scaled to the standard deviation of a normal distribution (1 / .67449). */
export function scaledMad(values: readonly number[]): number | null {
  const center = median(values);
  if (center === null) return null;
  const deviation = median(values.map((value) => Math.abs(value - center)));
  return deviation === null ? null : deviation * 1.482602218505602;
}

/**
 * Correlation of neighbours, limited to [0, .95]; values are clipped at center ± 3 spread first, so that one outlier
 * cannot hide it.
 */
export function lagOneCorrelation(values: readonly number[], center: number, spread: number): number {
  if (values.length < 3 || !(spread > 0)) return 0;
  const clipped = values.map((value) => Math.max(-3, Math.min(3, (value - center) / spread)));
  let product = 0;
  let square = 0;
  for (let i = 0; i < clipped.length; i += 1) {
    const current = clipped[i] ?? 0;
    square += current * current;
    if (i > 0) product += current * (clipped[i - 1] ?? 0);
  }
  return square > 0 ? Math.max(0, Math.min(0.95, product / square)) : 0;
}

export interface SlopePoint {
  x: number;
  y: number;
}

/** Median of all pairwise slopes (Theil 1950, Sen 1968), in y per x; null below two different x. O(n²): bound n. */
export function theilSenSlope(points: readonly SlopePoint[]): number | null {
  const slopes: number[] = [];
  points.forEach((right, index) => {
    for (let i = 0; i < index; i += 1) {
      const left = points[i];
      if (left !== undefined && left.x !== right.x) slopes.push((right.y - left.y) / (right.x - left.x));
    }
  });
  return median(slopes);
}

export interface TrendTest {
  /** Concordant minus discordant pairs. */
  s: number;
  z: number;
  /** One-sided, for a rising series. */
  pRising: number;
}

/** Mann–Kendall test for a monotone trend, with correction for ties and continuity. O(n²): bound n. */
export function mannKendall(values: readonly number[]): TrendTest {
  const count = values.length;
  let s = 0;
  const ties = new Map<number, number>();
  values.forEach((right, index) => {
    ties.set(right, (ties.get(right) ?? 0) + 1);
    for (let i = 0; i < index; i += 1) s += Math.sign(right - (values[i] ?? right));
  });
  let variance = count * (count - 1) * (2 * count + 5);
  for (const size of ties.values()) variance -= size * (size - 1) * (2 * size + 5);
  variance /= 18;
  const z = variance > 0 ? (s - Math.sign(s)) / Math.sqrt(variance) : 0;
  return { s, z, pRising: normalSurvival(z) };
}
