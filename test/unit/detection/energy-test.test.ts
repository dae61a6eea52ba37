import fc from 'fast-check';
import { canaryTest, cosine } from '../../../domain/detection/canary-test';
import { distanceMatrix, subMatrix, type DistanceMatrix } from '../../../domain/detection/distance-matrix';
import { energyTest, squaredEnergyDistance, type EnergyTestOptions } from '../../../domain/detection/energy-test';
import { seededUniform } from '../../../domain/detection/seeded-random';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { holds } from './property-run';
import { finished } from './slices';

const draw = normalDraws(mulberry32(5));
const points = (count: number, dimensions: number, shift = 0): number[][] =>
  Array.from({ length: count }, () => Array.from({ length: dimensions }, () => draw() + shift));
const options = (seed = 1, permutations = 199): EnergyTestOptions => ({
  alpha: 0.05,
  permutations,
  uniform: seededUniform(seed),
});
const test2 = (baseline: number[][], current: number[][], using = options()) =>
  finished(energyTest(finished(distanceMatrix([...baseline, ...current])), labelled(baseline, current), using));
const labelled = (baseline: unknown[], current: unknown[]): number[] => [
  ...baseline.map(() => 0),
  ...current.map(() => 1),
];

/** The definition, term by term. */
function definition(baseline: number[][], current: number[][]): number {
  const between = (left: number[][], right: number[][]): number => {
    let sum = 0;
    for (const x of left) for (const y of right) sum += Math.hypot(...x.map((value, axis) => value - (y[axis] ?? 0)));
    return sum / (left.length * right.length);
  };
  return 2 * between(baseline, current) - between(baseline, baseline) - between(current, current);
}

const cloud = fc.array(fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: -9, max: 9 }))), {
  minLength: 1,
  maxLength: 9,
});

test('the distance is that of the definition, and grows not when the samples change places', () => {
  holds(
    'energy distance',
    fc.property(cloud, cloud, (baseline, current) => {
      const result = test2(baseline, current, options(1, 39));
      expect(result.distance ** 2).toBeCloseTo(Math.max(0, definition(baseline, current)), 9);
      expect(test2(current, baseline, options(1, 39)).distance).toBeCloseTo(result.distance, 6);
      expect(result.distance > result.limit).toBe(result.p <= 0.05);
      expect(result.effect).toBeLessThanOrEqual(1);
    }),
  );
});

test('a labelling that is one of few gets the p of all of them', () => {
  // Of the 20 ways to choose 3 of these 6 points, only the observed one and its mirror image are so far apart.
  const { p } = test2([[0], [1], [2]], [[10], [11], [12]], options(3, 4_999));
  expect(p).toBeGreaterThan(0.09);
  expect(p).toBeLessThan(0.11);
});

test('equal answers differ in nothing, and rounding decides no tie', () => {
  const same = Array.from({ length: 12 }, () => [0.1, 0.2, 0.3]);
  expect(test2(same, same.slice(0, 7))).toMatchObject({ distance: 0, p: 1, effect: 0 });
  const kinds = [[0.1], [0.7], [0.3]];
  const many = Array.from({ length: 30 }, (_, index) => kinds[index % 3] as number[]);
  expect(test2(many, many).p).toBe(1);
});

test('without a difference one test in twenty at most reports one; a shift is found', () => {
  const runs = 250;
  let falsely = 0;
  let found = 0;
  for (let run = 0; run < runs; run += 1) {
    const baseline = points(12, 4);
    if (test2(baseline, points(15, 4), options(run, 99)).p <= 0.05) falsely += 1;
    if (test2(baseline, points(15, 4, 1.2), options(run, 99)).p <= 0.05) found += 1;
  }
  expect(falsely / runs).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs));
  expect(falsely).toBeGreaterThan(2);
  expect(found / runs).toBeGreaterThan(0.9);
});

test('the effect is a size: it does not grow with the number of answers as the evidence does', () => {
  const meanEffect = (count: number, shift: number): number =>
    Array.from({ length: 20 }, () => test2(points(count, 3), points(count, 3, shift), options(1, 39)).effect).reduce(
      (a, b) => a + b,
    ) / 20;
  const [few, many] = [meanEffect(15, 0.7), meanEffect(90, 0.7)];
  expect(few / many).toBeGreaterThan(0.7);
  expect(few / many).toBeLessThan(1.4);
  expect(Math.abs(meanEffect(15, 0))).toBeLessThan(many / 4);
});

test('the same seed gives the same result', () => {
  const [baseline, current] = [points(20, 3), points(20, 3, 0.3)];
  expect(test2(baseline, current, options(7))).toEqual(test2(baseline, current, options(7)));
});

describe('what is no sample is refused by name', () => {
  const matrix = finished(distanceMatrix([[1], [2], [3]]));
  test.each([
    ['an empty current sample', () => finished(energyTest(matrix, [0, 0, 0], options())), 'points of both samples'],
    ['an empty baseline', () => finished(energyTest(matrix, [1, 1, 1], options())), 'points of both samples'],
    ['a level out of reach', () => finished(energyTest(matrix, [0, 1, 0], { ...options(1, 9) })), 'cannot reach'],
    ['NaN', () => finished(distanceMatrix([[1], [NaN]])), 'no number'],
    ['NaN in the only point', () => finished(distanceMatrix([[NaN]])), 'no number'],
    ['infinity', () => finished(distanceMatrix([[1], [Infinity]])), 'no number'],
    ['two models', () => finished(distanceMatrix([[1], [1, 2]])), 'dimensions'],
  ])('%s', (_, make, words) => {
    expect(make).toThrow(RangeError);
    expect(make).toThrow(words);
  });
});

test('no slice of a test on 100 + 100 points of 384 dimensions does more than one row or one relabelling', () => {
  const slices = distanceMatrix(points(200, 384));
  expect(countSlices(slices)).toBe(200);
  const matrix = finished(distanceMatrix(points(200, 2)));
  const labels = labelled(new Array(100).fill(0), new Array(100).fill(0));
  expect(countSlices(energyTest(matrix, labels, options(1, 200)))).toBe(200);
});

function countSlices(slices: Generator<void, unknown>): number {
  let count = 0;
  while (slices.next().done !== true) count += 1;
  return count;
}

test('a part of a matrix has the distances of its points', () => {
  const all = points(6, 3);
  const matrix: DistanceMatrix = finished(distanceMatrix(all));
  const part = subMatrix(matrix, [4, 1, 1]);
  expect(part).toEqual(finished(distanceMatrix([4, 1, 1].map((index) => all[index] as number[]))));
  expect(squaredEnergyDistance(part, [0, 1, 1])).toBeGreaterThan(0);
});

describe('canaries: the same prompts, answered then and now', () => {
  /** Prompts far apart; answers differ from their prompt by `noise`, those of now by `shift` as well. */
  const prompts = (count: number, then: number, noise: number, shift: number) =>
    Array.from({ length: count }, () => {
      const [prompt] = points(1, 5).map((point) => point.map((value) => value * 5)) as [number[]];
      const answer = (moved: number): number[] => prompt.map((value) => value + noise * draw() + moved);
      return { baseline: Array.from({ length: then }, () => answer(0)), current: [answer(shift)] };
    });
  const canary = (all: ReturnType<typeof prompts>, seed = 1) => finished(canaryTest(all, options(seed)));

  test('find a shift that prompts hide from the unpaired test', () => {
    let paired = 0;
    let unpaired = 0;
    for (let run = 0; run < 40; run += 1) {
      const all = prompts(20, 1, 0.5, 0.5);
      const [baseline, current] = [all.flatMap((each) => each.baseline), all.flatMap((each) => each.current)];
      if (canary(all, run).p <= 0.05) paired += 1;
      if (test2(baseline, current, options(run)).p <= 0.05) unpaired += 1;
    }
    expect(paired).toBeGreaterThan(36);
    expect(unpaired).toBeLessThan(5);
  });

  test.each([1, 3])('a model that answers differently each time is no drift, asked %i times before', (then) => {
    const runs = 150;
    let falsely = 0;
    for (let run = 0; run < runs; run += 1) if (canary(prompts(10, then, 2, 0), run).p <= 0.05) falsely += 1;
    expect(falsely / runs).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / runs));
  });

  test('say the likeness of the answers, and the least p that so many can give', () => {
    const identical = [1, 2, 3].map((value) => ({ baseline: [[value, 1]], current: [[value, 1]] }));
    const result = canary(identical);
    expect(result).toMatchObject({ prompts: 3, p: 1, distance: 0, ownCosine: null });
    expect(result.cosine).toBeCloseTo(1, 12);
    expect(result.leastP).toBeCloseTo(2 / 2 ** 3, 12);
    const asked = prompts(3, 3, 1, 9);
    expect(canary(asked).leastP).toBeCloseTo(1 / 4 ** 3, 12);
    expect(canary(asked).ownCosine).not.toBeNull();
    expect(canary([...asked, { baseline: [], current: [[1, 1, 1, 1, 1]] }]).prompts).toBe(3);
  });
});

test('the cosine of a vector without length is 0', () => {
  expect(cosine([0, 0], [1, 2])).toBe(0);
  expect(cosine([1, 2], [2, 4])).toBeCloseTo(1, 12);
});
