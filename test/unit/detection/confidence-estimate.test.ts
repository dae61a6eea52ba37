import fc from 'fast-check';
import { byBlock, calibrate, type Calibration } from '../../../domain/detection/confidence-calibration';
import { estimateAccuracy, estimatePrecision, estimateRecall } from '../../../domain/detection/confidence-estimate';
import { SCORE_BINS } from '../../../domain/detection/score-bins';
import { draw, historyOf, judgedBins, scoreBins, usual } from './confidence-world';
import { holds } from './property-run';

function known(label: string, ...cells: readonly (readonly [bin: number, n: number, correct: number])[]): Calibration {
  const calibration = calibrate(label, judgedBins(...cells), 1);
  if (!calibration) throw new Error('no calibration');
  return calibration;
}

test('a block is right in (k + ½) ÷ (n + 1), and bins where a higher score was right less often are pooled', () => {
  const calibration = known('bulk', [5, 40, 20], [10, 50, 45], [15, 50, 43], [20, 400, 396]);
  expect(calibration.blocks.map(({ labels, right }) => [labels, right])).toEqual([
    [40, 20.5 / 41],
    [100, 88.5 / 101],
    [400, 396.5 / 401],
  ]);
  expect(calibration.blocks[1]?.variance).toBeCloseTo(((88.5 / 101) * (12.5 / 101)) / 101, 12);
  expect(byBlock(calibration, scoreBins([0, 1], [5, 2], [6, 4], [15, 8], [21, 16]))).toEqual([3, 12, 16]);
});

test('too few labels are no calibration, and too few in a bin no block of their own', () => {
  expect(calibrate('bulk', judgedBins([20, 99, 99]), 100)).toBeNull();
  const calibration = known('bulk', [3, 5, 1], [8, 10, 6], [12, 10, 9], [18, 100, 98], [21, 3, 3]);
  expect(calibration.blocks.map(({ toBin, labels }) => [toBin, labels])).toEqual([
    [12, 25],
    [SCORE_BINS - 1, 103],
  ]);
});

test('whatever the labels are, the calibrated values ascend, lie inside (0, 1) and keep every label', () => {
  const cell = fc.tuple(fc.integer({ min: -3, max: 300 }), fc.integer({ min: -3, max: 300 }));
  holds(
    'calibration',
    fc.property(fc.array(cell, { minLength: SCORE_BINS, maxLength: SCORE_BINS }), (cells) => {
      const judged = { n: cells.map(([n]) => n), correct: cells.map(([, correct]) => correct) };
      const calibration = calibrate('c', judged, 100);
      const labels = cells.reduce((sum, [n]) => sum + Math.max(0, n), 0);
      if (labels < 100) return expect(calibration).toBeNull();
      const { blocks = [] } = calibration ?? {};
      expect(blocks.reduce((sum, block) => sum + block.labels, 0)).toBe(labels);
      expect(blocks.at(-1)?.toBin).toBe(SCORE_BINS - 1);
      for (const [at, { right, labels: some }] of blocks.entries()) {
        expect(right).toBeGreaterThan(blocks[at - 1]?.right ?? 0);
        expect(right).toBeLessThan(1);
        expect(some).toBeGreaterThanOrEqual(20);
      }
    }),
    60,
  );
});

test('precision is the mean of the calibrated confidences, with the variance of that mean and of each value by its share', () => {
  const calibration = known('bulk', [5, 39, 19], [20, 399, 391]);
  const [low, high] = [19.5 / 40, 391.5 / 400];
  const estimate = estimatePrecision(calibration, scoreBins([5, 25], [20, 75]));
  expect(estimate?.value).toBeCloseTo(0.25 * low + 0.75 * high, 12);
  const sampling = (0.25 * low ** 2 + 0.75 * high ** 2 - (0.25 * low + 0.75 * high) ** 2) / 100;
  const values = 0.25 ** 2 * ((low * (1 - low)) / 40) + 0.75 ** 2 * ((high * (1 - high)) / 400);
  expect(estimate?.se).toBeCloseTo(Math.sqrt(sampling + values), 12);
  expect(estimatePrecision(calibration, scoreBins())).toBeNull();
});

test('recall is what is right of a class against what the others take of it, as they did before', () => {
  const calibrations = new Map([
    ['bulk', known('bulk', [20, 99, 89])],
    ['ham', known('ham', [20, 199, 179])],
  ]);
  const confusions = new Map([['ham', new Map([['bulk', 5], ['spam', 15]])]]); // prettier-ignore
  const scores = new Map([
    ['bulk', scoreBins([20, 100])],
    ['ham', scoreBins([20, 400])],
  ]);
  const [right, lost] = [100 * (89.5 / 100), 400 * (1 - 179.5 / 200) * 0.25];
  expect(estimateRecall('bulk', calibrations, confusions, scores)?.value).toBeCloseTo(right / (right + lost), 12);
  expect(estimateRecall('bulk', calibrations, new Map(), scores)).toBeNull();
  expect(estimateAccuracy(calibrations, scores)?.value).toBeCloseTo((89.5 + 400 * (179.5 / 200)) / 500, 12);
  const strange = new Map([...scores, ['new', scoreBins([20, 60])] as const]);
  expect(estimateAccuracy(calibrations, strange)).toBeNull();
});

test('under other inputs of the same kind the estimates follow the truth within their standard errors', () => {
  const harder = { ...usual, ham: { share: 0.3, hard: 0.25, easyRight: 0.98, hardRight: 0.6 }, spam: { share: 0.65, hard: 0.2, easyRight: 0.98, hardRight: 0.6 } }; // prettier-ignore
  const sigmas: number[] = [];
  const naive: number[] = [];
  for (let seed = 1; seed <= 12; seed += 1) {
    const history = historyOf(draw(usual, 20_000, seed, 0.6));
    const now = draw(harder, 4_000, 1_000 + seed);
    for (const [label, { n, right }] of now.byClass) {
      const calibration = history.calibrations.get(label);
      const estimate = calibration && estimatePrecision(calibration, now.scores.get(label) ?? []);
      if (!estimate) throw new Error(`no estimate of ${label}`);
      // What was realised differs from what was to be expected as well: by the coin of each answer.
      const realised = (estimate.value * (1 - estimate.value)) / n;
      sigmas.push((right / n - estimate.value) / Math.sqrt(estimate.se ** 2 + realised));
      if (label !== 'bulk') naive.push(Math.abs(0.942 - right / n));
    }
  }
  const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(Math.abs(meanOf(sigmas))).toBeLessThan(0.5);
  expect(sigmas.filter((sigma) => Math.abs(sigma) > 3)).toEqual([]);
  // It is not that nothing changed: the precision of before is off by several points.
  expect(meanOf(naive)).toBeGreaterThan(0.03);
});
