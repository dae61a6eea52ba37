import fc from 'fast-check';
import { normalQuantile } from '../../../domain/detection/normal-distribution';
import { centerOf, recentred, scoreOf, scoreReference } from '../../../domain/detection/score-reference';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { holds } from './property-run';

const draws = (seed: number, count: number): number[] => Array.from({ length: count }, normalDraws(mulberry32(seed)));

test('the score of a value is the normal score of its rank, whatever the shape of the metric', () => {
  const history = draws(1, 300);
  const reference = scoreReference(history, 1e-6);
  const skewed = scoreReference(history.map((value) => Math.exp(2 * value)), 1e-6); // prettier-ignore
  for (const value of [-1.5, -0.3, 0, 0.4, 1.2]) {
    const below = history.filter((one) => one < value).length;
    expect(Math.abs(scoreOf(reference, value) - normalQuantile((below + 0.5) / 301))).toBeLessThan(0.1);
    expect(Math.abs(scoreOf(skewed, Math.exp(2 * value)) - scoreOf(reference, value))).toBeLessThan(0.1);
  }
  expect(Math.abs(centerOf(reference))).toBeLessThan(0.2);
});

test('ranks of few values reach less far, and no value counts for more than the reach', () => {
  const few = scoreReference(draws(2, 30), 1e-6);
  const many = scoreReference(draws(2, 400), 1e-6);
  expect(few.reach).toBeCloseTo(normalQuantile(30 / 31), 9);
  expect(many.reach).toBe(2.5);
  expect(scoreOf(many, 1e12)).toBeCloseTo(2.5, 1);
  expect(scoreOf(many, -1e12)).toBeCloseTo(-2.5, 1);
});

test('a history is cold below 30 points, warming below 100, and an empty one scores nothing', () => {
  expect([0, 29, 30, 99, 100].map((count) => scoreReference(draws(3, count), 1).warmth)).toEqual(['cold', 'cold', 'warming', 'warming', 'warm']); // prettier-ignore
  expect(scoreReference([NaN, Infinity], 1)).toMatchObject({ points: 0, warmth: 'cold', rho: 0 });
  expect(Number.isFinite(scoreOf(scoreReference([], 1), 5))).toBe(true);
});

test('a history that never moved keeps the floor as its spread', () => {
  const flat = scoreReference(Array.from({ length: 200 }, () => 3), 0.5); // prettier-ignore
  expect(centerOf(flat)).toBe(3);
  expect(scoreOf(flat, 3)).toBe(0);
  expect(scoreOf(flat, 3.5)).toBeCloseTo(1, 6);
  expect(flat.rho).toBe(0);
});

test('a metric of few values has mean score zero: its ties are no drift', () => {
  const uniform = mulberry32(4);
  const history = Array.from({ length: 300 }, () => (uniform() < 0.9 ? 0 : Math.ceil(5 * uniform())));
  const reference = scoreReference(history, 0.01);
  const mean = history.reduce((sum, value) => sum + scoreOf(reference, value), 0) / history.length;
  expect(Math.abs(mean)).toBeLessThan(1e-9);
});

test('the correlation of neighbours is measured, even under wild outliers', () => {
  let value = 0;
  const series = draws(5, 4000).map((shock, index) => {
    value = 0.6 * value + shock;
    return index % 50 === 0 ? 1e9 : value;
  });
  expect(scoreReference(series, 0.01).rho).toBeGreaterThan(0.5);
  expect(scoreReference(series, 0.01).rho).toBeLessThan(0.67);
  expect(scoreReference(draws(6, 4000), 0.01).rho).toBeLessThan(0.05);
});

test('another centre keeps the shape', () => {
  const reference = scoreReference(draws(7, 300), 0.01);
  const moved = recentred(reference, 50);
  expect(centerOf(moved)).toBeCloseTo(50, 9);
  expect(scoreOf(moved, 51 + 0)).toBeCloseTo(scoreOf(reference, 1 + centerOf(reference)), 9);
});

test('scores never fall with the value, are bounded and finite, and the reference survives JSON in at most 600 bytes', () => {
  const value = fc.oneof(
    fc.double({ min: -1e9, max: 1e9, noNaN: true }),
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom(NaN, Infinity, -Infinity),
  );
  const finite = fc.double({ min: -1e12, max: 1e12, noNaN: true });
  holds(
    'score reference: monotone and bounded',
    fc.property(fc.array(value, { maxLength: 150 }), finite, finite, (history, left, right) => {
      const reference = scoreReference(history, 0.01);
      const [low, high] = left < right ? [left, right] : [right, left];
      expect(scoreOf(reference, low)).toBeLessThanOrEqual(scoreOf(reference, high) + 1e-9);
      expect(Math.abs(scoreOf(reference, high))).toBeLessThanOrEqual(2 * reference.reach + 1e-9);
      const text = JSON.stringify(reference);
      expect(JSON.parse(text)).toEqual(reference);
      expect(text.length).toBeLessThanOrEqual(600);
    }),
  );
});
