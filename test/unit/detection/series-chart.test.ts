import fc from 'fast-check';
import {
  EXCESS_LIMIT,
  initialSeriesChart,
  seriesEvidence,
  stepSeriesChart,
  type SeriesChartParams,
  type SeriesChartState,
} from '../../../domain/detection/series-chart';
import { assessSeriesChart, seriesCondition } from '../../../domain/detection/series-verdict';
import type { Verdict } from '../../../domain/detection/types';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { holds } from './property-run';

const MINUTE_MS = 60_000;
const PARAMS: SeriesChartParams = { unit: 'items', harmful: 'up', practicalMargin: 0 };
const draw = normalDraws(mulberry32(99));

/** Folds values one a minute onto a state. */
function fold(values: (number | null)[], params = PARAMS, from = initialSeriesChart()): SeriesChartState {
  let state = from;
  let atMs = state.atMs ?? 0;
  for (const value of values) {
    atMs += MINUTE_MS;
    state = stepSeriesChart(state, params, { atMs, value });
  }
  return state;
}

function verdict(state: SeriesChartState, params = PARAMS, silentMs = 0): Verdict {
  const nowMs = (state.atMs ?? 0) + silentMs;
  return assessSeriesChart(state, params, {
    metric: 'queue',
    tier: 'short-window',
    baseline: 'its own past',
    nowMs,
    staleMs: 5 * MINUTE_MS,
  });
}

const usual = (count: number): number[] => Array.from({ length: count }, () => 100 + 5 * draw());
const copy = (state: SeriesChartState): SeriesChartState => JSON.parse(JSON.stringify(state)) as SeriesChartState;
const warm = fold(usual(600));

test('a level that stays away is degraded within five points, with onset, limits and a sentence', () => {
  const said = verdict(fold([160, 158, 161, 159, 160], PARAMS, copy(warm)));
  expect(said).toMatchObject({ kind: 'degraded', metric: 'queue', samples: 5, unit: 'items' });
  expect(said.onsetMs).toBe(601 * MINUTE_MS);
  expect(said.onsetLowMs).toBeLessThanOrEqual(601 * MINUTE_MS);
  expect(said.onsetHighMs).toBeGreaterThanOrEqual(601 * MINUTE_MS);
  expect(said.observed).toBeCloseTo(159.6, 6);
  expect(said.ucl).toBeGreaterThan(115);
  expect(said.ucl).toBeLessThan(140);
  expect(said.sentence).toMatch(
    /^queue is 160 items on average over 5 points since 10:01:00 UTC; its own past says 9\d|1\d\d/,
  );
});

test('the onset stays where it was while the degradation lasts for hours', () => {
  const state = fold(
    Array.from({ length: 300 }, () => 160 + draw()),
    PARAMS,
    copy(warm),
  );
  expect(verdict(state)).toMatchObject({ kind: 'ok', onsetMs: null });
  const earlier = fold(
    Array.from({ length: 15 }, () => 160 + draw()),
    PARAMS,
    copy(warm),
  );
  expect(verdict(earlier).onsetMs).toBe(601 * MINUTE_MS);
});

test('one wild point, the other direction and small moves are never degraded', () => {
  expect(verdict(fold([1e6], PARAMS, copy(warm))).kind).toBe('inconclusive');
  expect(verdict(fold([1e6, 100, 101, 99, 100], PARAMS, copy(warm))).kind).toBe('inconclusive');
  const down = fold([40, 41, 40, 39, 40], PARAMS, copy(warm));
  expect(verdict(down).kind).not.toBe('degraded');
  expect(verdict(down, { ...PARAMS, harmful: 'down' }).kind).toBe('inconclusive');
  const either: SeriesChartParams = { ...PARAMS, harmful: 'either' };
  expect(verdict(fold([40, 41, 40, 39, 40], either, copy(warm)), either).kind).toBe('degraded');
  const margin: SeriesChartParams = { ...PARAMS, practicalMargin: 80 };
  expect(verdict(fold([160, 158, 161, 159, 160], margin, fold(usual(600), margin)), margin)).toMatchObject({
    kind: 'inconclusive',
    statistic: { name: 'novelty' },
  });
});

test('what the time of day expects is no alarm', () => {
  const params: SeriesChartParams = { unit: 'rps', harmful: 'either', practicalMargin: 0 };
  const busy = (hour: number): number => (hour % 24 === 3 ? 500 : 100) + draw();
  let state = initialSeriesChart();
  let alarms = 0;
  for (let hour = 0; hour < 24 * 30; hour += 1) {
    state = stepSeriesChart(state, params, { atMs: hour * 60 * MINUTE_MS, value: busy(hour) });
    if (hour > 24 * 10 && seriesEvidence(state, params).alarm) alarms += 1;
  }
  expect(alarms).toBe(0);
});

test('a course that is new is news once, though every value is within the range', () => {
  let state = initialSeriesChart();
  const news: number[] = [];
  for (let point = 0; point < 3000; point += 1) {
    const flat = point >= 2500 && point < 2620;
    const value = 100 + 50 * Math.sin(point / 5) + draw();
    state = stepSeriesChart(state, PARAMS, { atMs: point * MINUTE_MS, value: flat ? 100 + 0.01 * draw() : value });
    if (state.news.sinceAlarm === 0) news.push(point);
  }
  expect(news.filter((point) => point >= 2500 && point < 2700)).toHaveLength(1);
  expect(news.length).toBeLessThanOrEqual(4);
});

describe('bad input', () => {
  test('null, NaN and infinities are counted, leave no trace, and end no alarm', () => {
    const before = fold([160, 158, 161, 159, 160], PARAMS, copy(warm));
    const said = verdict(before);
    const after = fold([null, NaN, Infinity, -Infinity, 1e200], PARAMS, copy(before));
    expect(after).toEqual({ ...before, unmeasured: before.unmeasured + 5 });
    expect(verdict(after)).toEqual(said);
  });

  test('a repeated or late point is no new evidence', () => {
    let state = copy(warm);
    for (let report = 0; report < 20; report += 1) {
      state = stepSeriesChart(state, PARAMS, { atMs: 601 * MINUTE_MS, value: 160 });
      state = stepSeriesChart(state, PARAMS, { atMs: 5 * MINUTE_MS, value: 160 });
    }
    expect(state).toMatchObject({ points: 601, disordered: 39 });
    expect(verdict(state).kind).toBe('inconclusive');
  });

  test('silence and a metric that never was are unmeasured, a short past is inconclusive', () => {
    expect(verdict(initialSeriesChart()).kind).toBe('unmeasured');
    expect(verdict(fold([null, null])).kind).toBe('unmeasured');
    expect(verdict(copy(warm), PARAMS, 10 * MINUTE_MS).kind).toBe('unmeasured');
    expect(verdict(fold([...usual(40), 900, 900, 900, 900, 900])).kind).toBe('inconclusive');
  });

  test('a constant that moves is a named state, never degraded', () => {
    const constant = fold(Array.from({ length: 500 }, () => 42));
    expect(verdict(constant)).toMatchObject({ kind: 'ok', sentence: 'queue is 42 items, as always' });
    const moved = fold([43, 43, 43, 43, 43], PARAMS, constant);
    expect(verdict(moved).kind).toBe('inconclusive');
    expect(verdict(moved).sentence).toContain('never moved from 42 items before');
  });

  test.each([1000, 1 / 1000, 1e6])('a unit that changed by %p is named and unmeasured, never degraded', (factor) => {
    const params: SeriesChartParams = { ...PARAMS, harmful: 'either' };
    let state = fold(usual(600), params);
    for (let point = 0; point < 3000; point += 1) {
      state = fold(
        usual(1).map((value) => value * factor),
        params,
        state,
      );
      expect(verdict(state, params).kind).not.toBe('degraded');
      if (point === 10) {
        expect(seriesCondition(state, { nowMs: state.atMs ?? 0, staleMs: 1 })).toBe('unit-change');
        expect(verdict(state, params)).toMatchObject({ kind: 'unmeasured' });
      }
    }
  });

  test('no sequence of numbers and times breaks the chart: its verdict is finite and its state survives JSON', () => {
    const value = fc.oneof(
      fc.double({ noNaN: false }),
      fc.constantFrom(null, 0, -0, 1, 1e150, -1e150, 1e-300, Number.MAX_VALUE),
      fc.integer({ min: -3, max: 3 }),
    );
    const point = fc.record({ atMs: fc.oneof(fc.integer(), fc.double()), value });
    holds(
      'series chart',
      fc.property(fc.array(point, { minLength: 1, maxLength: 300 }), (points) => {
        let state = fold(Array.from({ length: 110 }, (_, index) => index % 5));
        for (const each of points) {
          state = stepSeriesChart(state, PARAMS, { ...each, atMs: each.atMs });
          const said = verdict(state);
          for (const number of [said.observed, said.expected, said.ucl, said.lcl, said.statistic.value]) {
            expect(number === null || Number.isFinite(number)).toBe(true);
          }
        }
        expect(copy(state)).toEqual(JSON.parse(JSON.stringify(state)));
        expect(state.points + state.unmeasured + state.disordered).toBe(110 + points.length);
        expect(Number.isFinite(state.novelty)).toBe(true);
      }),
      60,
    );
  });
});

test('a state that went through JSON goes on as the one that did not', () => {
  const values = usual(80).map((value, index) => (index > 70 ? value + 60 : value));
  expect(fold(values, PARAMS, copy(warm))).toEqual(fold(values, PARAMS, copy(copy(warm))));
  const half = copy(fold(values.slice(0, 40), PARAMS, copy(warm)));
  expect(fold(values.slice(40), PARAMS, half)).toEqual(fold(values, PARAMS, copy(warm)));
});

test('the score does not depend on the unit', () => {
  const values = usual(900).map((value, index) => (index === 880 ? value + 40 : value));
  const one = seriesEvidence(fold(values.slice(0, 881)), PARAMS).excess;
  const other = seriesEvidence(fold(values.slice(0, 881).map((value) => value * 1024)), PARAMS).excess;
  expect(one).toBeGreaterThan(EXCESS_LIMIT);
  expect(other).toBeCloseTo(one, 6);
});

test.each([
  ['normal', () => draw(), 2],
  ['of counts', () => Math.floor(3 * Math.abs(draw())), 10],
  ['heavy-tailed', () => draw() / Math.sqrt((draw() ** 2 + draw() ** 2 + draw() ** 2) / 3), 20],
  ['skewed', () => Math.exp(draw() / 2), 20],
])('independent noise, %s: 5,000 points without a degradation and with few alarms', (_, next, atMost) => {
  let state = initialSeriesChart();
  let alarms = 0;
  for (let point = 0; point < 5000; point += 1) {
    state = stepSeriesChart(state, PARAMS, { atMs: point * MINUTE_MS, value: next() });
    const evidence = seriesEvidence(state, PARAMS);
    if (evidence.alarm) alarms += 1;
    expect(evidence.sustained).toBe(false);
  }
  expect(alarms).toBeLessThanOrEqual(atMost);
});

test('the state is bounded: after weeks of five-minute points it is below 300 KiB', () => {
  let state = initialSeriesChart();
  for (let point = 0; point < 7000; point += 1) {
    state = stepSeriesChart(state, PARAMS, { atMs: 5 * point * MINUTE_MS, value: 100 + draw() });
  }
  const bytes = JSON.stringify(state).length;
  process.stdout.write(`state of a series chart: ${bytes} bytes\n`);
  expect(bytes).toBeLessThan(300 * 1024);
});
