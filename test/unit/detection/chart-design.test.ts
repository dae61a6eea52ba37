import { cusumRunLength, ewmaRunLength, oneSidedDesign } from '../../../domain/detection/chart-design';
import { chartAlarms, initialNormalChart, stepNormalChart } from '../../../domain/detection/normal-chart';
import { mulberry32, normalDraws } from '../../support/mulberry32';

test('the run lengths are those of the tables: one side has twice the points of two', () => {
  for (const [limit, twoSided] of [
    [4, 167.68],
    [4.77, 368.56],
    [5, 465.44],
  ] as const)
    // prettier-ignore
    expect(cusumRunLength(limit) / (2 * twoSided)).toBeCloseTo(1, 1);
  const ratio = ewmaRunLength(2.814) / (2 * 499.58);
  expect(ratio).toBeGreaterThan(0.8);
  expect(ratio).toBeLessThanOrEqual(1);
});

test('both charts together alarm about once in the points that were asked for, never much sooner', () => {
  const draw = normalDraws(mulberry32(8));
  const design = oneSidedDesign(2_000);
  let points = 0;
  const runs = 300;
  for (let run = 0; run < runs; run += 1) {
    let state = initialNormalChart();
    for (let alarmed = false; !alarmed; points += 1) {
      const score = draw();
      state = stepNormalChart(state, design, { atMs: 0, value: score, score });
      const { ewma, cusum } = chartAlarms(state, design);
      alarmed = ewma || cusum;
    }
  }
  process.stdout.write(`one-sided pair designed for 2000 points: ${Math.round(points / runs)}\n`);
  expect(points / runs).toBeGreaterThan(1_700);
  expect(points / runs).toBeLessThan(3_500);
});

test('a longer interval has wider limits', () => {
  const [hour, month] = [360, 259_200].map(oneSidedDesign);
  expect(month?.ewmaL).toBeGreaterThan(hour?.ewmaL ?? Infinity);
  expect(month?.cusumH).toBeGreaterThan(hour?.cusumH ?? Infinity);
});
