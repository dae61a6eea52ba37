import fc from 'fast-check';
import { binomialLowerTail } from '../../../domain/detection/binomial-distribution';
import { lowerTailBound, meanOf, tiltedTo, unlikelyMean, type Discrete } from '../../../domain/detection/tilted-tail';
import { mulberry32 } from '../../support/mulberry32';
import { holds } from './property-run';

const coin = (p: number): Discrete => ({ values: [0, 1], weights: [1 - p, p] });

test('of coins the bound is exp(−n KL), the closed form, and never below the exact tail', () => {
  for (const [n, p, k] of [
    [50, 0.9, 38],
    [200, 0.95, 178],
    [1_000, 0.5, 430],
    [30, 0.99, 25],
  ] as const) {
    const x = k / n;
    const kl = x * Math.log(x / p) + (1 - x) * Math.log((1 - x) / (1 - p));
    const bound = lowerTailBound(coin(p), n, x);
    expect(bound / Math.exp(-n * kl)).toBeCloseTo(1, 6);
    expect(bound).toBeGreaterThanOrEqual(binomialLowerTail(k, n, p));
    // It costs a factor that grows like the root of n, not like n.
    expect(bound).toBeLessThan(30 * binomialLowerTail(k, n, p));
  }
  expect(lowerTailBound(coin(0.9), 20, 0.9)).toBe(1);
  expect(lowerTailBound(coin(0.9), 20, 0.95)).toBe(1);
  expect(lowerTailBound({ values: [0.5, 1], weights: [0.1, 0.9] }, 3, 0.4)).toBe(0);
  expect(lowerTailBound({ values: [0.5, 1], weights: [0.1, 0.9] }, 3, 0.5)).toBeCloseTo(1e-3, 9);
});

/** Values a twentieth apart, as different as blocks of a calibration are. */
const discrete = fc
  .uniqueArray(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 8 })
  .chain((values) =>
    fc.tuple(
      fc.constant(values.map((value) => value / 20)),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: values.length, maxLength: values.length }),
    ),
  )
  .map(([values, counts]): Discrete => {
    const sum = counts.reduce((all, count) => all + count, 0);
    return { values, weights: counts.map((count) => count / sum) };
  });

test('the bound is a probability that falls with x, and the unlikely mean is where it crosses the level', () => {
  holds(
    'tail bound',
    fc.property(
      discrete,
      fc.integer({ min: 1, max: 5_000 }),
      fc.double({ min: 1e-9, max: 0.1, noNaN: true }),
      (of, n, alpha) => {
        const mean = meanOf(of);
        const lowest = Math.min(...of.values);
        let before = 0;
        for (let step = 0; step <= 4; step += 1) {
          const bound = lowerTailBound(of, n, lowest + ((mean - lowest) * step) / 4);
          expect(bound).toBeGreaterThanOrEqual(before - 1e-9);
          expect(bound).toBeLessThanOrEqual(1);
          before = bound;
        }
        const limit = unlikelyMean(of, n, alpha);
        if (limit === null) expect(lowerTailBound(of, n, lowest)).toBeGreaterThan(alpha * 0.999);
        else if (limit > lowest + 1e-6)
          expect(Math.log(lowerTailBound(of, n, limit)) / Math.log(alpha)).toBeCloseTo(1, 3);
        expect(meanOf(tiltedTo(of, (mean + lowest) / 2))).toBeCloseTo((mean + lowest) / 2, 6);
      },
    ),
  );
});

test('a skewed mean is below its limit no more often than the level says, where three sigmas promise too much', () => {
  const of: Discrete = { values: [0.3, 0.99], weights: [0.02, 0.98] };
  const limit = unlikelyMean(of, 60, 0.01) ?? 0;
  const uniform = mulberry32(7);
  let below = 0;
  for (let run = 0; run < 8_000; run += 1) {
    let sum = 0;
    for (let draw = 0; draw < 60; draw += 1) sum += uniform() < 0.02 ? 0.3 : 0.99;
    if (sum / 60 <= limit) below += 1;
  }
  expect(below / 8_000).toBeLessThanOrEqual(0.01);
  expect(below).toBeGreaterThan(0);
});
