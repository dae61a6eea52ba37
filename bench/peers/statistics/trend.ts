import { normalQuantile, normalSurvival } from '../../../domain/detection/normal-distribution';
import { mannKendall, median, theilSenSlope } from '../../../domain/detection/robust';

export interface TheilSen {
  readonly slope: number;
  readonly intercept: number;
  readonly low: number;
  readonly high: number;
}

/** Slope over 0, 1, 2 …, intercept through the medians, and Sen's interval of the slope (1968), for values without ties. */
export function theilSen(values: readonly number[], confidence = 0.95): TheilSen {
  const points = values.map((y, x) => ({ x, y }));
  const slopes = points.flatMap((right, index) => points.slice(0, index).map((left) => (right.y - left.y) / (right.x - left.x))); // prettier-ignore
  slopes.sort((left, right) => left - right);
  const half = normalQuantile((1 + confidence) / 2) * Math.sqrt(varianceOfS(values.length));
  const rank = (position: number): number => slopes[Math.max(0, Math.min(slopes.length - 1, position))] ?? NaN;
  const slope = theilSenSlope(points) ?? NaN;
  return {
    slope,
    intercept: (median(values) ?? NaN) - (slope * (values.length - 1)) / 2,
    low: rank(Math.round((slopes.length - half) / 2) - 1),
    high: rank(Math.round((slopes.length + half) / 2)),
  };
}

/** Kendall's tau with time and its two-sided p-value (normal, without continuity), for values without ties. */
export function kendall(values: readonly number[]): { tau: number; pValue: number } {
  const { s } = mannKendall(values);
  const count = values.length;
  const z = Math.abs(s) / Math.sqrt(varianceOfS(count));
  return { tau: s / ((count * (count - 1)) / 2), pValue: 2 * normalSurvival(z) };
}

function varianceOfS(count: number): number {
  return (count * (count - 1) * (2 * count + 5)) / 18;
}
