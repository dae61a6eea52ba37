import fc from 'fast-check';
import { scoreReference } from '../../../domain/detection/score-reference';
import {
  initialValueChart,
  stepValueChart,
  VALUE_CHART_DESIGN,
  valueChartEvidence,
  valueChartParams,
  type ValueChartParams,
} from '../../../domain/detection/value-chart';
import { assessValueChart } from '../../../domain/detection/value-verdict';
import type { ValuePoint, Verdict } from '../../../domain/detection/types';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { holds } from './property-run';

const draw = normalDraws(mulberry32(77));
const MINUTE_MS = 60_000;
const normalHistory = Array.from({ length: 300 }, draw);

const paramsFrom = (history: readonly number[]): ValueChartParams =>
  valueChartParams(scoreReference(history, 0.01), 'up');

interface About {
  practicalMargin?: number;
  silentMs?: number;
}

/** The verdict after each point. */
function verdictsOf(params: ValueChartParams, points: readonly ValuePoint[], about: About = {}): Verdict[] {
  let state = initialValueChart(params);
  let nowMs = 0;
  return points.map((point) => {
    state = stepValueChart(state, params, point);
    if (Number.isFinite(point.atMs)) nowMs = Math.max(nowMs, point.atMs);
    return assessValueChart(state, params, {
      metric: 'queue',
      tier: 'short-window',
      unit: 'tokens',
      practicalMargin: about.practicalMargin ?? 0.25,
      falseAlarmDays: null,
      baseline: 'chat@41',
      nowMs: nowMs + (about.silentMs ?? 0),
      staleMs: 5 * MINUTE_MS,
    });
  });
}

/** One point a minute. */
const everyMinute = (values: readonly (number | null)[]): ValuePoint[] =>
  values.map((value, index) => ({ atMs: index * MINUTE_MS, value }));
const verdicts = (params: ValueChartParams, values: readonly (number | null)[], about: About = {}): Verdict[] =>
  verdictsOf(params, everyMinute(values), about);
const many = (count: number, value: () => number): number[] => Array.from({ length: count }, value);
const firstDegraded = (all: readonly Verdict[]): number => all.findIndex((verdict) => verdict.kind === 'degraded');

test('a shift of one sigma is found within 30 points in at least four of five episodes, of two sigma within 15 in 95 of 100', () => {
  const params = paramsFrom(normalHistory);
  const within = (shift: number, limit: number): number =>
    many(100, () => firstDegraded(verdicts(params, many(limit, () => draw() + shift)))).filter((at) => at >= 0).length; // prettier-ignore
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
])('limits from 100 %s points hold: half of two-sided charts run 200 points and more without a word', (_, next) => {
  const lengths = many(61, () => {
    const params = valueChartParams(scoreReference(many(100, next), 1e-6), 'both');
    let state = initialValueChart(params);
    for (let point = 1; point < 800; point += 1) {
      state = stepValueChart(state, params, { atMs: point, value: next() });
      if (valueChartEvidence(state, params).sustained) return point;
    }
    return 800;
  }).sort((left, right) => left - right);
  // The median is 330 and more (bench calibration); of 61 runs it is above 200 but for one time in ten thousand.
  expect(lengths[30]).toBeGreaterThanOrEqual(200);
});

test('two bad points, however wild, are no degradation, four are; a shift below the practical margin never is one', () => {
  const params = paramsFrom(normalHistory);
  expect(firstDegraded(verdicts(params, [0, 0.1, 200, 0, -0.2, 0.1, 0, 0.1]))).toBe(-1);
  expect(firstDegraded(verdicts(params, [0, 200, 200, 0, 0, 0, 0, 0, 0]))).toBe(-1);
  expect(firstDegraded(verdicts(params, [0, 40, 40, 40, 40]))).toBe(4);
  const shifted = verdicts(params, many(60, () => 2 + 0.1 * draw()), { practicalMargin: 3 }); // prettier-ignore
  expect(shifted[shifted.length - 1]?.kind).toBe('ok');
});

test('the harmful side alone is watched, or both', () => {
  const falling = many(10, () => -3);
  expect(firstDegraded(verdicts(paramsFrom(normalHistory), falling))).toBe(-1);
  const both = valueChartParams(scoreReference(normalHistory, 0.01), 'both');
  const last = verdicts(both, falling)[9];
  expect(last).toMatchObject({ kind: 'degraded', observed: -3, samples: 10 });
  expect(last?.lcl).toBeGreaterThan(-3);
  expect(firstDegraded(verdicts(both, falling.map((value) => -value)))).toBeGreaterThan(0); // prettier-ignore
});

test('the verdict says value, limits, points, onset and history', () => {
  const params = paramsFrom(normalHistory.map((value) => 100 + 5 * value));
  const all = verdicts(params, [99, 100, 98, ...many(8, () => 118)]);
  const last = all[all.length - 1];
  expect(last).toMatchObject({ kind: 'degraded', onsetMs: 3 * MINUTE_MS, samples: 8, unit: 'tokens', lcl: null });
  expect(last?.ucl ?? Infinity).toBeLessThan(118);
  expect(last?.sentence).toMatch(
    /^queue is 118 tokens on average over 8 points since 00:03:00 UTC; its own history says [\d.]+ tokens \(limit of one point 11\d\)$/,
  );
});

describe('data that is wrong is never a degradation', () => {
  const params = paramsFrom(normalHistory);
  const worse = paramsFrom(normalHistory.map((value) => 100 + 5 * value));
  const kindOf = (all: readonly Verdict[]): string | undefined => all[all.length - 1]?.kind;

  test('missing values stand still, silence is unmeasured, and a short history is inconclusive', () => {
    const gaps = verdicts(params, [4, null, 4, NaN, 4, null, Infinity, 4, null, 4]);
    expect(kindOf(gaps)).toBe('degraded');
    expect(firstDegraded(gaps)).toBeGreaterThan(firstDegraded(verdicts(params, [4, 4, 4, 4, 4, 4])));
    expect(kindOf(verdicts(params, [0], { silentMs: 600_000 }))).toBe('unmeasured');
    expect(kindOf(verdicts(params, [null, NaN]))).toBe('unmeasured');
    expect(kindOf(verdicts(paramsFrom(normalHistory.slice(0, 20)), many(6, () => 9)))).toBe('inconclusive'); // prettier-ignore
  });

  test('a point that comes twice, or late, counts once', () => {
    const once = { atMs: 5 * MINUTE_MS, value: 9 };
    expect(
      kindOf(
        verdictsOf(
          params,
          Array.from({ length: 50 }, () => once),
        ),
      ),
    ).toBe('ok');
    const late = [once, ...many(50, () => 9).map((value, index) => ({ atMs: 5 * MINUTE_MS - index, value }))];
    expect(kindOf(verdictsOf(params, late))).toBe('ok');
  });

  test('points of a future from which no clock returns are unmeasured', () => {
    const future = many(20, () => 9).map((value, index) => ({ atMs: 1e12 + index, value }));
    const state = future.reduce((before, point) => stepValueChart(before, params, point), initialValueChart(params));
    const options = { metric: 'q', tier: 'trend', unit: '', practicalMargin: 0, falseAlarmDays: null } as const;
    const verdict = assessValueChart(state, params, { ...options, baseline: 'b', nowMs: 0, staleMs: MINUTE_MS });
    expect(verdict.kind).toBe('unmeasured');
  });

  test.each([
    ['a thousand times', 1e3, 'are 1000 times'],
    ['a million times', 1e6, 'are 1000000 times'],
    ['a thousandth of', 1e-3, 'are 1/1000 of'],
  ])('values that are %s their history are called a changed unit', (_, factor, words) => {
    const both = valueChartParams(worse.reference, 'both', VALUE_CHART_DESIGN, 'foreign');
    const all = verdicts(both, [101, 99, ...many(30, () => factor * (100 + 5 * draw()))]);
    expect(firstDegraded(all)).toBe(-1);
    expect(kindOf(all)).toBe('unmeasured');
    expect(all[all.length - 1]?.sentence).toContain(words);
  });

  test('a real rise to fifty times the history is a degradation all the same', () => {
    expect(kindOf(verdicts(worse, many(10, () => 5_000)))).toBe('degraded'); // prettier-ignore
  });

  test('a constant history alarms at no value within its floor, and at a real change', () => {
    const flat = valueChartParams(scoreReference(many(200, () => 3), 0.5), 'up'); // prettier-ignore
    expect(kindOf(verdicts(flat, many(500, () => 3.1)))).toBe('ok'); // prettier-ignore
    expect(kindOf(verdicts(flat, many(10, () => 9)))).toBe('degraded'); // prettier-ignore
  });
});

test('whatever comes, what cannot be read is neutral, and the state survives JSON in at most 700 bytes', () => {
  const value = fc.oneof(
    fc.double({ min: -100, max: 100, noNaN: true }),
    fc.constantFrom(null, NaN, Infinity, -Infinity),
  );
  const atMs = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.constantFrom(NaN, Infinity));
  const params = valueChartParams(scoreReference(normalHistory, 0.01), 'both');
  holds(
    'value chart: bad input is neutral',
    fc.property(fc.array(fc.record({ atMs, value }), { maxLength: 80 }), (points) => {
      let newest = -Infinity;
      const good = points.filter((point) => {
        const readable = point.value !== null && Number.isFinite(point.value) && Number.isFinite(point.atMs);
        if (!readable || point.atMs <= newest) return false;
        newest = point.atMs;
        return true;
      });
      const fold = (all: readonly ValuePoint[]) =>
        all.reduce((state, point) => stepValueChart(state, params, point), initialValueChart(params));
      const state = fold(points);
      expect({ ...state, unmeasured: 0 }).toEqual(fold(good));
      expect(state.unmeasured).toBe(points.length - good.length);
      const text = JSON.stringify(state);
      expect(JSON.parse(text)).toEqual(state);
      expect(text.length).toBeLessThanOrEqual(700);
    }),
  );
});
