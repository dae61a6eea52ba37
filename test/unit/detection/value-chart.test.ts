import { chartLimits } from '../../../domain/detection/chart-limits';
import { SHORT_WINDOW_DESIGN } from '../../../domain/detection/normal-chart';
import {
  assessValueChart,
  initialValueChart,
  stepValueChart,
  type ValueChartParams,
} from '../../../domain/detection/value-chart';
import type { Verdict } from '../../../domain/detection/types';
import { mulberry32, normalDraws } from '../../support/mulberry32';

const draw = normalDraws(mulberry32(77));

function paramsFrom(history: number[], practicalMargin = 0.25): ValueChartParams {
  return {
    design: SHORT_WINDOW_DESIGN,
    limits: chartLimits(history, { spreadFloor: 0.01 }),
    harmful: 'up',
    practicalMargin,
    unit: 'tokens',
  };
}

const normalHistory = Array.from({ length: 300 }, draw);

/** The verdict after each point, one a minute. */
function verdicts(params: ValueChartParams, values: (number | null)[], silentMs = 0): Verdict[] {
  let state = initialValueChart();
  return values.map((value, index) => {
    const atMs = index * 60_000;
    state = stepValueChart(state, params, { atMs, value });
    const options = { metric: 'queue', tier: 'short-window' as const, baseline: 'chat@41', staleMs: 300_000 };
    return assessValueChart(state, params, { ...options, nowMs: atMs + silentMs });
  });
}

const firstDegraded = (all: Verdict[]): number => all.findIndex((verdict) => verdict.kind === 'degraded');

test('a shift of one sigma is found within 30 points in at least four of five episodes, and of two sigma within 15', () => {
  const params = paramsFrom(normalHistory);
  const within = (shift: number, limit: number): number => {
    let found = 0;
    for (let episode = 0; episode < 100; episode += 1) {
      const at = firstDegraded(
        verdicts(
          params,
          Array.from({ length: limit }, () => draw() + shift),
        ),
      );
      if (at >= 0) found += 1;
    }
    return found;
  };
  const one = within(1, 30);
  const two = within(2, 15);
  process.stdout.write(`+1 sigma within 30 points: ${one} of 100; +2 sigma within 15: ${two} of 100\n`);
  expect(one).toBeGreaterThanOrEqual(80);
  expect(two).toBeGreaterThanOrEqual(95);
});

test.each([
  ['normal', () => draw()],
  ['lognormal, strongly skewed', () => Math.exp(draw())],
  ['heavy-tailed (t with 3 degrees)', () => draw() / Math.sqrt((draw() ** 2 + draw() ** 2 + draw() ** 2) / 3)],
])('limits estimated from 300 %s points hold: at most 3 of 20 clean series of 300 points alarm', (_, next) => {
  let alarms = 0;
  for (let series = 0; series < 20; series += 1) {
    const params = paramsFrom(Array.from({ length: 300 }, next), 0);
    if (firstDegraded(verdicts(params, Array.from({ length: 300 }, next))) >= 0) alarms += 1;
  }
  expect(alarms).toBeLessThanOrEqual(3);
});

test('one wild point is no degradation, however wild, and a shift below the practical margin is ok', () => {
  const params = paramsFrom(normalHistory, 0.5);
  expect(firstDegraded(verdicts(params, [0, 0.1, 1e9, 0, -0.2, 0.1, 0, 0.1]))).toBe(-1);
  const wide = paramsFrom(normalHistory, 3);
  const shifted = verdicts(
    wide,
    Array.from({ length: 60 }, () => 2 + 0.1 * draw()),
  );
  expect(shifted[shifted.length - 1]?.kind).toBe('ok');
});

test('the verdict says value, limits, points, onset and history', () => {
  const params = paramsFrom(normalHistory.map((value) => 100 + 5 * value));
  const all = verdicts(params, [99, 100, 98, ...Array.from({ length: 8 }, () => 118)]);
  const last = all[all.length - 1];
  expect(last).toMatchObject({ kind: 'degraded', onsetMs: 180_000, samples: 8, unit: 'tokens' });
  expect(last?.ucl ?? Infinity).toBeLessThan(118);
  expect(last?.sentence).toMatch(
    /^queue is 118 tokens on average over 8 points since 00:03:00 UTC; its own history says [\d.]+ tokens \(limit of one point 11\d\)$/,
  );
});

test('missing values stand still, silence is unmeasured, and a short history is inconclusive', () => {
  const params = paramsFrom(normalHistory);
  const gaps = verdicts(params, [4, null, 4, NaN, 4, null, 4, 4, null, 4]);
  const dense = verdicts(params, [4, 4, 4, 4, 4, 4]);
  expect(gaps[gaps.length - 1]?.kind).toBe('degraded');
  expect(firstDegraded(gaps)).toBeGreaterThan(firstDegraded(dense));
  expect(verdicts(params, [0], 600_000)[0]?.kind).toBe('unmeasured');
  expect(verdicts(paramsFrom(normalHistory.slice(0, 20)), [9, 9, 9, 9, 9, 9])[5]?.kind).toBe('inconclusive');
});
