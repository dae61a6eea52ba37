import { driftHarm, driftMeasure, knownMethods } from '../../../domain/detection/drift-methods';

test('a method is a p-value or a distance by its name, not by how the name ends', () => {
  expect(driftMeasure('evidently', 'K-S p_value')).toBe('p-value');
  expect(driftMeasure('evidently', 'empirical_mmd')).toBe('p-value');
  expect(driftMeasure('evidently', 'Total-Variation-Distance')).toBe('p-value');
  expect(driftMeasure('evidently', 'PSI')).toBe('distance');
  expect(driftMeasure('whylogs', 'ks')).toBe('p-value');
  expect(driftMeasure('whylogs', 'hellinger')).toBe('distance');
});

test('a method that is not known is nothing, and neither is one that every object has', () => {
  expect(driftMeasure('evidently', 'My own test')).toBeNull();
  expect(driftMeasure('whylogs', 'toString')).toBeNull();
  expect(knownMethods('whylogs')).toEqual(['ks', 'chi-square', 'hellinger']);
});

test('more is worse on both scales: a smaller p-value, a larger distance', () => {
  const [likely, rare, rarest] = [0.8, 1e-5, 0].map((p) => driftHarm('p-value', p));
  expect(likely).toBeCloseTo(0.0969, 4);
  expect(rare).toBeCloseTo(5, 12);
  expect(rarest).toBeCloseTo(16, 9);
  expect(driftHarm('p-value', 1)).toBe(0);
  expect(driftHarm('distance', 0.3)).toBe(0.3);
});

test.each([
  ['p-value', 1.2],
  ['p-value', -0.1],
  ['p-value', NaN],
  ['distance', -0.1],
  ['distance', Infinity],
] as const)('a %s of %d cannot come from the method', (measure, score) => {
  expect(driftHarm(measure, score)).toBeNull();
});
