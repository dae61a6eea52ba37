import { benjaminiHochberg } from '../../../domain/detection/benjamini-hochberg';
import {
  binomialLowerTail,
  binomialUpperQuantile,
  binomialUpperTail,
  lnGamma,
} from '../../../domain/detection/binomial-distribution';
import { normalCdf, normalQuantile, normalSurvival } from '../../../domain/detection/normal-distribution';
import { binomialControlLimits, wilsonInterval, wilsonLower, wilsonUpper } from '../../../domain/detection/rate-limits';

/** Relative distance. */
const off = (got: number, wanted: number): number => Math.abs(got - wanted) / Math.abs(wanted);

test.each([
  [-8, 6.22096057427174e-16],
  [-5, 2.866515718791933e-7],
  [-3, 0.0013498980316300933],
  [-1.96, 0.024997895148220435],
  [0.5, 0.6914624612740131],
  [3, 0.9986501019683699],
  [6, 0.9999999990134123],
])('the normal distribution function at %d agrees with the reference to 1e-12', (z, wanted) => {
  expect(off(normalCdf(z), wanted)).toBeLessThan(1e-12);
});

test('the normal quantile inverts the distribution function from 1e-300 to the other end', () => {
  expect(off(normalQuantile(0.975), 1.959963984540054)).toBeLessThan(1e-12);
  for (const p of [1e-300, 1e-12, 1e-4, 0.02, 0.3, 0.5001, 0.9, 0.99999]) {
    expect(off(normalCdf(normalQuantile(p)), p)).toBeLessThan(1e-10);
  }
  expect(normalQuantile(0)).toBe(-Infinity);
  expect(normalQuantile(1.2)).toBeNaN();
  expect(off(normalSurvival(8), 6.22096057427174e-16)).toBeLessThan(1e-12);
});

test('ln gamma is that of the factorials and of one half', () => {
  expect(off(lnGamma(11), Math.log(3_628_800))).toBeLessThan(1e-13);
  expect(off(lnGamma(0.5), Math.log(Math.sqrt(Math.PI)))).toBeLessThan(1e-13);
});

test('binomial tails equal the sum of their terms', () => {
  const choose = (n: number, k: number): number => Math.exp(lnGamma(n + 1) - lnGamma(k + 1) - lnGamma(n - k + 1));
  for (const [k, n, p] of [
    [3, 10, 0.1],
    [9, 50, 0.07],
    [60, 100, 0.5],
    [1, 1, 0.2],
  ] as const) {
    let sum = 0;
    for (let i = k; i <= n; i += 1) sum += choose(n, i) * p ** i * (1 - p) ** (n - i);
    expect(off(binomialUpperTail(k, n, p), sum)).toBeLessThan(1e-10);
    expect(binomialUpperTail(k, n, p) + binomialLowerTail(k - 1, n, p)).toBeCloseTo(1, 12);
  }
  expect(binomialUpperTail(0, 10, 0.3)).toBe(1);
  expect(binomialUpperTail(11, 10, 0.3)).toBe(0);
  const highest = binomialUpperQuantile(200, 0.05, 0.00135);
  expect(binomialUpperTail(highest + 1, 200, 0.05)).toBeLessThanOrEqual(0.00135);
  expect(binomialUpperTail(highest, 200, 0.05)).toBeGreaterThan(0.00135);
});

test('Wilson intervals agree with the reference', () => {
  expect(wilsonInterval(0, 20).high).toBeCloseTo(0.16112515805281935, 12);
  expect(wilsonInterval(3, 50).low).toBeCloseTo(0.020614970348973957, 12);
  expect(wilsonInterval(3, 50).high).toBeCloseTo(0.1621709168883817, 12);
  expect(wilsonInterval(5, 0)).toEqual({ low: 0, high: 1 });
  expect(wilsonUpper(0, 0)).toBe(1);
  expect(wilsonLower(10, 10)).toBeLessThan(1);
});

test('control limits of a window are exact, leave room for the practical margin, and admit where there is none', () => {
  const plain = binomialControlLimits(200, 0.05);
  const wide = binomialControlLimits(200, 0.05, 0.02);
  expect(plain.ucl).toBeGreaterThan(0.09);
  expect(wide.ucl ?? 0).toBeGreaterThan(plain.ucl ?? 1);
  expect(plain.lcl).toBeLessThan(0.05);
  expect(binomialControlLimits(2, 0.5).ucl).toBeNull();
  expect(binomialControlLimits(0, 0.05)).toEqual({ ucl: null, lcl: 0 });
});

test('Benjamini and Hochberg reject up to the last p-value under its line, and nothing for a test not made', () => {
  const { rejected, adjusted } = benjaminiHochberg([0.04, 0.001, 0.012, 0.5, NaN], 0.05);
  expect(rejected).toEqual([false, true, true, false, false]);
  expect(adjusted.map((p) => Number(p.toFixed(4)))).toEqual([0.0667, 0.005, 0.03, 0.625, 1]);
});
