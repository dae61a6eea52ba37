import fc from 'fast-check';
import { chartLimits } from '../../../domain/detection/chart-limits';
import {
  initialNormalChart,
  normalChartEvidence,
  SHORT_WINDOW_DESIGN,
  stepNormalChart,
  type NormalChartParams,
  type NormalChartState,
} from '../../../domain/detection/normal-chart';
import { lagOneCorrelation, mannKendall, median, scaledMad, theilSenSlope } from '../../../domain/detection/robust';
import {
  FAST_RULE,
  initialSustained,
  isSustained,
  SLOW_RULE,
  stepSustained,
  widenRule,
} from '../../../domain/detection/sustained';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { holds } from './property-run';

const known: NormalChartParams = {
  design: SHORT_WINDOW_DESIGN,
  harmful: 'up',
  limits: {
    center: 0,
    spread: 1,
    clipSigmas: 1e9,
    scoreMean: 0,
    scoreSd: 1,
    rho: 0,
    points: 1000,
    warmth: 'warm',
    widening: 1,
  },
};

function fold(values: readonly (number | null)[], params = known): NormalChartState {
  return values.reduce<NormalChartState>(
    (state, value, index) => stepNormalChart(state, params, { atMs: index * 60_000, value }),
    initialNormalChart(),
  );
}

test('both charts see a shift of one sigma after about ten points and date it', () => {
  const draw = normalDraws(mulberry32(42));
  const delays = { ewma: [] as number[], cusum: [] as number[] };
  for (let run = 0; run < 300; run += 1) {
    let state = initialNormalChart();
    let ewma = 0;
    let cusum = 0;
    for (let i = 1; ewma === 0 || cusum === 0; i += 1) {
      state = stepNormalChart(state, known, { atMs: i, value: draw() + 1 });
      const evidence = normalChartEvidence(state, known);
      if (evidence.ewmaAlarm && ewma === 0) ewma = i;
      if (evidence.cusumAlarm && cusum === 0) cusum = i;
    }
    delays.ewma.push(ewma);
    delays.cusum.push(cusum);
  }
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  // Published: 10.33 and 10.38 for two-sided charts, whose other side hardly matters here.
  expect(Math.abs(mean(delays.ewma) - 10.33)).toBeLessThan(1.2);
  expect(Math.abs(mean(delays.cusum) - 10.38)).toBeLessThan(1.2);
});

test('only the harmful direction alarms, and the onset is the first point after the last zero of the CUSUM', () => {
  const rising = [...Array.from({ length: 30 }, () => -0.2), ...Array.from({ length: 8 }, () => 2)];
  const evidence = normalChartEvidence(fold(rising), known);
  expect(evidence.alarm).toBe(true);
  expect(evidence.onsetMs).toBe(30 * 60_000);
  expect(evidence.onsetLowMs).toBe(29 * 60_000);
  expect(evidence.meanSinceOnset).toBe(2);
  const down: NormalChartParams = { ...known, harmful: 'down' };
  expect(normalChartEvidence(fold(rising, down), down).alarm).toBe(false);
  expect(
    normalChartEvidence(
      fold(
        rising.map((value) => -value),
        down,
      ),
      down,
    ).alarm,
  ).toBe(true);
});

test('a cold history never alarms, a warming one has wider limits than a warm one', () => {
  const draw = normalDraws(mulberry32(5));
  const history = Array.from({ length: 400 }, draw);
  const limitsOf = (points: number) => chartLimits(history.slice(0, points), { spreadFloor: 0.01 });
  expect(limitsOf(29).warmth).toBe('cold');
  expect(limitsOf(30).warmth).toBe('warming');
  expect(limitsOf(100).warmth).toBe('warm');
  expect(limitsOf(40).widening).toBeGreaterThan(limitsOf(120).widening);
  expect(limitsOf(400).widening).toBeLessThan(1.15);
  const cold: NormalChartParams = { ...known, limits: limitsOf(20) };
  expect(normalChartEvidence(fold([99, 99, 99, 99], cold), cold).alarm).toBe(false);
  expect(chartLimits([], { spreadFloor: 1 })).toMatchObject({ points: 0, warmth: 'cold', center: 0, spread: 1 });
});

test('a history that never moved keeps the floor as its spread', () => {
  const flat = chartLimits(
    Array.from({ length: 200 }, () => 3),
    { spreadFloor: 0.5 },
  );
  expect(flat).toMatchObject({ center: 3, spread: 0.5, rho: 0 });
});

test('autocorrelation is measured and widens the limits by the square root of (1+rho)/(1-rho)', () => {
  const draw = normalDraws(mulberry32(9));
  let value = 0;
  const series = Array.from({ length: 4000 }, () => (value = 0.6 * value + draw()));
  const limits = chartLimits(series, { spreadFloor: 0.01 });
  expect(limits.rho).toBeGreaterThan(0.53);
  expect(limits.rho).toBeLessThan(0.67);
  expect(limits.widening).toBeCloseTo(Math.sqrt((1 + limits.rho) / (1 - limits.rho)), 9);
  expect(lagOneCorrelation([1, 2], 1, 1)).toBe(0);
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

test('unmeasured points change nothing but their counter, and the state survives JSON in at most 200 bytes', () => {
  const value = fc.oneof(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.constantFrom(null, NaN, Infinity));
  holds(
    'normal chart: unmeasured is neutral',
    fc.property(fc.array(value, { maxLength: 80 }), (values) => {
      let all = initialNormalChart();
      let readable = initialNormalChart();
      values.forEach((one, index) => {
        const atMs = 1_750_000_000_000 + index * 60_000;
        all = stepNormalChart(all, known, { atMs, value: one });
        if (one !== null && Number.isFinite(one)) readable = stepNormalChart(readable, known, { atMs, value: one });
      });
      expect({ ...all, unmeasured: 0 }).toEqual(readable);
      const text = JSON.stringify(all);
      expect(JSON.parse(text)).toEqual(all);
      expect(text.length).toBeLessThanOrEqual(260);
    }),
  );
});
