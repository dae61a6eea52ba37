import { chiSquareQuantile, chiSquareSurvival } from '../../../domain/detection/chi-square';
import { cellCounts, clusterCells } from '../../../domain/detection/clusters';
import { distanceMatrix } from '../../../domain/detection/distance-matrix';
import { histogramDivergence } from '../../../domain/detection/divergence';
import { seededUniform } from '../../../domain/detection/seeded-random';
import { finished } from './slices';

test('the chi-square distribution has its tabled quantiles, and its survival function is their inverse', () => {
  expect(chiSquareQuantile(0.95, 9)).toBeCloseTo(16.918977604620448, 9);
  expect(chiSquareQuantile(0.95, 4)).toBeCloseTo(9.487729036781154, 9);
  expect(chiSquareQuantile(0.999, 1)).toBeCloseTo(10.827566170662733, 8);
  // Two degrees: e^(−x/2).
  for (const x of [0.01, 1, 5, 40]) expect(chiSquareSurvival(x, 2) / Math.exp(-x / 2)).toBeCloseTo(1, 11);
  expect(chiSquareSurvival(0, 3)).toBe(1);
});

describe('PSI and KL of a histogram', () => {
  test('are zero for equal shares, and both grow with a difference', () => {
    expect(histogramDivergence([10, 20, 30], [10, 20, 30], 0.05)).toMatchObject({ psi: 0, kl: 0, cells: 3 });
    const moved = histogramDivergence([50, 50], [90, 10], 0.05);
    expect(moved.psi).toBeGreaterThan(moved.psiLimit);
    expect(moved.kl).toBeGreaterThan(moved.klLimit);
  });

  test('have limits that know the sample: wide for few answers, the practical one for many', () => {
    const cells = new Array<number>(10).fill(0);
    const limit = (n: number): number => histogramDivergence(cells.fill(n / 10), cells.fill(n / 10), 0.05).psiLimit;
    expect(limit(100)).toBeCloseTo((2 / 100) * 16.918977604620448, 9);
    expect(limit(5_000)).toBe(0.1);
  });

  test('without a difference pass their limit in about one case of twenty, where a fixed .2 does in a third', () => {
    const uniform = seededUniform(11);
    const counts = (n: number): number[] => {
      const cells = new Array<number>(10).fill(0);
      for (let i = 0; i < n; i += 1) {
        const cell = Math.floor(uniform() * 10);
        cells[cell] = (cells[cell] ?? 0) + 1;
      }
      return cells;
    };
    const runs = Array.from({ length: 2_000 }, () => histogramDivergence(counts(100), counts(100), 0.05));
    const share = (of: (run: (typeof runs)[number]) => boolean): number => runs.filter(of).length / runs.length;
    expect(share(({ psi, psiLimit }) => psi > psiLimit)).toBeLessThan(0.065);
    expect(share(({ psi, psiLimit }) => psi > psiLimit)).toBeGreaterThan(0.02);
    expect(share(({ kl, klLimit }) => kl > klLimit)).toBeLessThan(0.075);
    expect(share(({ psi }) => psi > 0.2)).toBeGreaterThan(0.2);
  });

  test('of one cell or of no answers are nothing', () => {
    expect(histogramDivergence([5], [9], 0.05)).toMatchObject({ psi: 0, kl: 0, psiLimit: 0.1 });
    expect(histogramDivergence([], [], 0.05)).toMatchObject({ psi: 0, kl: 0 });
    expect(histogramDivergence([0, 0], [3, 4], 0.05).psiLimit).toBe(0.1);
  });
});

describe('cells for a histogram', () => {
  const cells = (points: number[][], count = 3, seed = 1): number[] =>
    clusterCells(finished(distanceMatrix(points)), count, seededUniform(seed));

  test('are the clusters that the points form', () => {
    const points = [0, 0.1, 0.2, 5, 5.1, 5.2, 9, 9.1].map((value) => [value]);
    for (let seed = 0; seed < 20; seed += 1) {
      const found = cells(points, 3, seed);
      expect(new Set(found.slice(0, 3)).size + new Set(found.slice(3, 6)).size + new Set(found.slice(6)).size).toBe(3);
      expect(new Set(found).size).toBe(3);
    }
  });

  test('are fewer where there are fewer different points', () => {
    expect(cells([[1], [1], [1]])).toEqual([0, 0, 0]);
    expect(new Set(cells([[1], [2], [1], [2]], 5)).size).toBe(2);
    expect(cells([])).toEqual([]);
  });

  test('are counted by sample', () => {
    expect(cellCounts([0, 1, 1, 0, 2], [0, 0, 1, 1, 1])).toEqual({ reference: [1, 1, 0], current: [1, 1, 1] });
  });
});
