import {
  chartAlarms,
  chartOnset,
  initialNormalChart,
  SHORT_WINDOW_DESIGN,
  stepNormalChart,
  widenedDesign,
  type NormalChartState,
} from '../../../domain/detection/normal-chart';
import { mannKendall, median, scaledMad, theilSenSlope } from '../../../domain/detection/robust';
import {
  FAST_RULE,
  initialSustained,
  isSustained,
  SLOW_RULE,
  stepSustained,
  widenRule,
} from '../../../domain/detection/sustained';
import { mulberry32, normalDraws } from '../../support/mulberry32';

const design = SHORT_WINDOW_DESIGN;

function fold(values: readonly number[]): NormalChartState {
  return values.reduce<NormalChartState>(
    (state, value, index) => stepNormalChart(state, design, { atMs: index * 60_000, value, score: value }),
    initialNormalChart(),
  );
}

test('both charts see a shift of one sigma after about ten points', () => {
  const draw = normalDraws(mulberry32(42));
  const delays = { ewma: [] as number[], cusum: [] as number[] };
  for (let run = 0; run < 300; run += 1) {
    let state = initialNormalChart();
    let ewma = 0;
    let cusum = 0;
    for (let i = 1; ewma === 0 || cusum === 0; i += 1) {
      const value = draw() + 1;
      state = stepNormalChart(state, design, { atMs: i, value, score: value });
      const alarms = chartAlarms(state, design);
      if (alarms.ewma && ewma === 0) ewma = i;
      if (alarms.cusum && cusum === 0) cusum = i;
    }
    delays.ewma.push(ewma);
    delays.cusum.push(cusum);
  }
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  // Published: 10.33 and 10.38 for two-sided charts, whose other side hardly matters here.
  expect(Math.abs(mean(delays.ewma) - 10.33)).toBeLessThan(1.2);
  expect(Math.abs(mean(delays.cusum) - 10.38)).toBeLessThan(1.2);
});

test('only harm alarms, and the onset is the first point after the last zero of the CUSUM', () => {
  const rising = [...Array.from({ length: 30 }, () => -0.2), ...Array.from({ length: 8 }, () => 2)];
  expect(chartAlarms(fold(rising), design)).toEqual({ ewma: true, cusum: true });
  expect(chartOnset(fold(rising))).toEqual({ onsetMs: 30 * 60_000, onsetLowMs: 29 * 60_000, mean: 2, points: 8 });
  const falling = fold(rising.map((value) => -value));
  expect(chartAlarms(falling, design)).toEqual({ ewma: false, cusum: false });
});

test('correlation widens both limits, and more so after a short history; independent points leave them alone', () => {
  expect(widenedDesign(design, { rho: 0, points: 30 })).toEqual(design);
  const long = widenedDesign(design, { rho: 0.5, points: 1e9 });
  expect(long.ewmaL / design.ewmaL).toBeCloseTo(Math.sqrt(1.45 / 0.55), 6);
  expect(long.cusumH / design.cusumH).toBeCloseTo(3, 6);
  const short = widenedDesign(design, { rho: 0.5, points: 100 });
  expect(short.ewmaL).toBeGreaterThan(long.ewmaL);
  expect(short.cusumH).toBeGreaterThan(long.cusumH);
  expect(widenedDesign(design, { rho: 0.8, points: 100 }).ewmaL).toBeGreaterThan(short.ewmaL);
});

test('half of a history may be wild without moving its centre far', () => {
  const draw = normalDraws(mulberry32(3));
  const wild = [...Array.from({ length: 70 }, draw), ...Array.from({ length: 30 }, () => 1e6)];
  expect(Math.abs(median(wild) ?? 9)).toBeLessThan(1);
  expect(scaledMad(wild)).toBeLessThan(3);
  expect(median([])).toBeNull();
});

test('Theil and Sen find the slope under outliers; Mann and Kendall tell a trend from none', () => {
  const points = Array.from({ length: 30 }, (_, x) => ({ x, y: 2 * x + (x % 7 === 0 ? 500 : 0) }));
  expect(theilSenSlope(points)).toBeCloseTo(2, 9);
  expect(theilSenSlope([{ x: 1, y: 1 }])).toBeNull();
  expect(mannKendall([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).pRising).toBeLessThan(0.001);
  expect(mannKendall([5, 5, 5, 5, 5, 5]).z).toBe(0);
  expect(mannKendall([3, 1, 2, 3, 1, 2, 3, 1, 2]).pRising).toBeGreaterThan(0.05);
});

describe('the sustained rule', () => {
  const run = (scores: (number | null)[], rule = FAST_RULE) =>
    scores.reduce<ReturnType<typeof initialSustained>>(
      (state, score) => stepSustained(state, rule, score),
      initialSustained(),
    );

  test('needs four of five, old hits leave the window, and unmeasured points leave it standing', () => {
    expect(isSustained(run([4, 4, 4]), FAST_RULE)).toBe(false);
    expect(isSustained(run([4, 4, 0, 4, 4]), FAST_RULE)).toBe(true);
    expect(isSustained(run([4, 4, 4, 0, 0, 4]), FAST_RULE)).toBe(false);
    expect(isSustained(run([4, null, 4, NaN, NaN, 4, NaN, null, 4]), FAST_RULE)).toBe(true);
  });

  test('grows its window with autocorrelation, keeps its share, and stays within its bits', () => {
    expect(widenRule(FAST_RULE, 0)).toEqual(FAST_RULE);
    expect(widenRule(FAST_RULE, 0.5)).toMatchObject({ needed: 12, window: 15 });
    expect(widenRule(SLOW_RULE, 0.9)).toMatchObject({ needed: 24, window: 30 });
    const rule = widenRule(SLOW_RULE, 0.9);
    expect(
      isSustained(
        run(
          Array.from({ length: 24 }, () => 5),
          rule,
        ),
        rule,
      ),
    ).toBe(true);
  });
});
