import { levelSpread } from '../../../domain/detection/level-spread';
import { seededUniform } from '../../../domain/detection/seeded-random';

const next = seededUniform(3);
function drawn(trials: number, rate: number): { trials: number; failures: number } {
  let failures = 0;
  for (let at = 0; at < trials; at += 1) if (next() < rate) failures += 1;
  return { trials, failures };
}

test('counts of one rate have no spread of their own', () => {
  const spreads = Array.from({ length: 20 }, () => levelSpread(Array.from({ length: 36 }, () => drawn(2_000, 0.01))));
  expect(Math.max(...spreads)).toBeLessThan(0.0015);
});

test('a level that moves is found with its own standard deviation', () => {
  const moving = Array.from({ length: 200 }, (_, at) => drawn(5_000, at % 2 === 0 ? 0.008 : 0.016));
  expect(levelSpread(moving)).toBeCloseTo(0.004, 3);
});

test('a few stretches, empty ones and unreadable ones say nothing', () => {
  expect(levelSpread(Array.from({ length: 5 }, () => drawn(2_000, 0.01)))).toBe(0);
  expect(levelSpread(Array.from({ length: 40 }, () => ({ trials: 0, failures: 0 })))).toBe(0);
  expect(levelSpread(Array.from({ length: 40 }, () => ({ trials: 10, failures: 11 })))).toBe(0);
});
