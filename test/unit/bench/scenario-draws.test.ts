import { binomial, upperEvents } from '../../../bench/scenarios/draws';
import { sfc32 } from '../../../bench/calibration/random';

describe('draws of the scenarios', () => {
  it.each([
    [20, 0.1],
    [1_000, 0.01],
    [1_000, 0.7],
    [1_000, 0.2],
  ])('has the mean and variance of a binomial count of %d trials at %d', (n, p) => {
    const uniform = sfc32(5);
    const drawn = Array.from({ length: 20_000 }, () => binomial(n, p, uniform));
    const mean = drawn.reduce((sum, each) => sum + each, 0) / drawn.length;
    const variance = drawn.reduce((sum, each) => sum + (each - mean) ** 2, 0) / drawn.length;
    const sd = Math.sqrt(n * p * (1 - p));
    expect(Math.abs(mean - n * p)).toBeLessThan((4 * sd) / Math.sqrt(drawn.length));
    expect(Math.abs(variance / sd ** 2 - 1)).toBeLessThan(0.05);
  });

  it('knows the upper limits of small counts', () => {
    expect(upperEvents(0)).toBeCloseTo(2.996, 3);
    expect(upperEvents(3)).toBeCloseTo(7.754, 3);
  });
});
