const WINDOW = 6400;
const STEP = 100;
const SMALLEST_SIGMA = 1e-6;

/**
 * The Windowed Gaussian detector of NAB: how many standard deviations a value is from the mean of the last 6,400
 * values, a window that grows one by one and then moves in steps of 100. NAB reports the tail probability of that;
 * the order is the same, and so is every score at a fitted threshold.
 */
export function windowedGaussian(values: readonly number[]): number[] {
  const window: number[] = [];
  let waiting: number[] = [];
  let mean = 0;
  let sigma = 1;
  return values.map((value) => {
    const score = window.length === 0 ? 0 : Math.abs(value - mean) / sigma;
    waiting.push(value);
    if (window.length < WINDOW || waiting.length === STEP) {
      window.push(...waiting);
      waiting = [];
      window.splice(0, Math.max(0, window.length - WINDOW));
      ({ mean, sigma } = momentsOf(window));
    }
    return score;
  });
}

function momentsOf(values: readonly number[]): { mean: number; sigma: number } {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, sigma: Math.sqrt(squares / values.length) || SMALLEST_SIGMA };
}
