import fc from 'fast-check';
import { changePoint } from '../../../domain/detection/change-point';
import { habituatedLimit, initialHabituation, stepHabituation } from '../../../domain/detection/habituation';
import { initialRangeExcess, stepRangeExcess } from '../../../domain/detection/range-excess';
import { quantile } from '../../../domain/detection/robust';
import { expectSeasonal, initialSeasonalHistory } from '../../../domain/detection/seasonal-expectation';
import { initialSortedWindow, pushSorted, windowQuantile } from '../../../domain/detection/sorted-window';
import { initialTailSurprise, surprise } from '../../../domain/detection/tail-surprise';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { holds } from './property-run';

const draw = normalDraws(mulberry32(4711));
const HOUR_MS = 3_600_000;

test('a sorted window has the quantiles of the last values, in any order and with repeats', () => {
  holds(
    'sorted window',
    fc.property(
      fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 120 }),
      fc.integer({ min: 1, max: 40 }),
      (values, size) => {
        const window = initialSortedWindow();
        values.forEach((value) => pushSorted(window, size, value));
        const kept = values.slice(-size);
        expect(window.sorted).toEqual([...kept].sort((left, right) => left - right));
        expect(windowQuantile(window, 0.3)).toBeCloseTo(quantile(kept, 0.3) ?? NaN, 9);
      },
    ),
  );
});

describe('surprise', () => {
  /** Share of draws that surprise by at least the given shares, after a warm past of the same kind. */
  function shares(next: () => number, factor = 1): number[] {
    const past = initialTailSurprise();
    for (let point = 0; point < 4000; point += 1) surprise(past, next() * factor);
    const all = Array.from({ length: 20_000 }, () => surprise(past, next() * factor));
    return [0.1, 0.01, 0.001].map((share) => all.filter((each) => each >= -Math.log(share)).length / all.length);
  }

  test.each([
    ['normal', () => Math.abs(draw())],
    ['exponential', () => (draw() ** 2 + draw() ** 2) / 2],
    ['lognormal', () => Math.exp(draw())],
    ['Pareto with infinite variance', () => Math.exp(0.35 * (draw() ** 2 + draw() ** 2))],
  ])('is what its name says, whatever the distribution: %s', (_, next) => {
    const [tenth, hundredth, thousandth] = shares(next);
    expect(tenth).toBeGreaterThan(0.08);
    expect(tenth).toBeLessThan(0.12);
    expect(hundredth).toBeGreaterThan(0.003);
    expect(hundredth).toBeLessThan(0.02);
    expect(thousandth).toBeLessThan(0.003);
  });

  test('does not depend on the unit, up to the width of a bin', () => {
    const magnitudes = Array.from({ length: 1500 }, () => Math.abs(draw()));
    const one = initialTailSurprise();
    const other = initialTailSurprise();
    magnitudes.forEach((magnitude) => {
      expect(Math.abs(surprise(one, magnitude) - surprise(other, magnitude * 1000))).toBeLessThan(1);
    });
  });

  test('stays bounded and finite over every magnitude that a number can have', () => {
    const past = initialTailSurprise();
    for (let point = 0; point < 60_000; point += 1) {
      const magnitude = point % 7 === 0 ? 0 : Math.exp(40 * draw());
      expect(Number.isFinite(surprise(past, magnitude))).toBe(true);
    }
    expect(past.counts.length).toBeLessThanOrEqual(320);
    expect(JSON.parse(JSON.stringify(past))).toEqual(past);
    const weight = past.counts.reduce((sum, count) => sum + count, 0) + past.zeros;
    expect(weight / past.total).toBeCloseTo(1, 6);
  });

  test('of a past of zeros: another zero is none, anything else is the rarer the longer they lasted', () => {
    const past = initialTailSurprise();
    for (let point = 0; point < 1000; point += 1) expect(surprise(past, 0)).toBeLessThan(1e-9);
    expect(surprise(past, 1)).toBeGreaterThan(4);
  });
});

test('one point is judged by the tails of its past, two in a row by its bulk, and a floor keeps small moves small', () => {
  const range = initialRangeExcess();
  for (let point = 0; point < 2000; point += 1) stepRangeExcess(range, 100 + draw(), 0);
  const first = stepRangeExcess(range, 107, 0);
  expect(first?.up).toBeGreaterThan(6);
  expect(first?.up).toBeLessThan(8);
  expect(first?.down).toBe(0);
  const floored = initialRangeExcess();
  for (let point = 0; point < 100; point += 1) stepRangeExcess(floored, 100, 2);
  expect(stepRangeExcess(floored, 104, 2)?.up).toBeCloseTo(2, 9);
});

test('a spiky past makes one spike ordinary, but not a second one beside it', () => {
  const range = initialRangeExcess();
  for (let point = 0; point < 2000; point += 1) stepRangeExcess(range, draw() + (point % 40 === 0 ? 30 : 0), 0);
  expect(stepRangeExcess(range, 30, 0)?.up).toBeLessThan(5);
  expect(stepRangeExcess(range, 30, 0)?.up).toBeGreaterThan(5);
});

describe('the seasonal expectation', () => {
  test('says nothing on the first two days, then what this time of day was', () => {
    const history = initialSeasonalHistory();
    const daily = (hour: number): number => 100 + 50 * Math.sin((2 * Math.PI * hour) / 24);
    for (let hour = 0; hour < 24 * 8; hour += 1) {
      const expected = expectSeasonal(history, hour * HOUR_MS, daily(hour));
      if (hour < 24) expect(expected).toBeNull();
      if (hour >= 24 * 4) expect(Math.abs((expected ?? NaN) - daily(hour))).toBeLessThan(3);
    }
  });

  test('learns that weekends differ, and then prefers the time of week', () => {
    const history = initialSeasonalHistory();
    const value = (hour: number): number => (Math.floor(hour / 24) % 7 >= 5 ? 10 : 100);
    let error = 0;
    for (let hour = 0; hour < 24 * 7 * 6; hour += 1) {
      const expected = expectSeasonal(history, hour * HOUR_MS, value(hour));
      if (hour >= 24 * 7 * 5) error = Math.max(error, Math.abs((expected ?? NaN) - value(hour)));
    }
    expect(error).toBeLessThan(1);
    expect(history.days.length).toBeLessThanOrEqual(22);
  });

  test('takes irregular steps, long gaps and far times, and stays bounded', () => {
    holds(
      'seasonal history',
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 * 24 * 3_600_000 }), { minLength: 20, maxLength: 200 }),
        (steps) => {
          const history = initialSeasonalHistory();
          let atMs = -5e12;
          for (const step of steps) {
            atMs += step;
            const expected = expectSeasonal(history, atMs, 7);
            expect(expected === null || expected === 7).toBe(true);
          }
          expect(history.days.length).toBeLessThanOrEqual(22);
          history.days.forEach(({ values }) => expect(values.length).toBeLessThanOrEqual(288));
        },
      ),
      50,
    );
  });
});

test('each alarm raises the limit, the next points are the same story, and the limit comes down again', () => {
  let state = initialHabituation();
  const alarms = (scores: number[]): number =>
    scores.filter((score) => {
      state = stepHabituation(state, 10, score);
      return state.sinceAlarm === 0;
    }).length;
  expect(alarms([9, 10, 50, 50])).toBe(1);
  expect(habituatedLimit(state, 10)).toBeCloseTo(13, 1);
  expect(alarms(Array.from({ length: 57 }, () => 50))).toBe(0);
  expect(alarms([0, 12, 14])).toBe(1);
  expect(alarms(Array.from({ length: 60_000 }, () => 0))).toBe(0);
  expect(alarms([10.1])).toBe(1);
});

describe('the change point', () => {
  const scored = (scores: number[]): { atMs: number; value: number; score: number }[] =>
    scores.map((score, index) => ({ atMs: index * 1000, value: score * 2, score }));

  test('is found where the shift began, and its interval holds it in most of 200 episodes', () => {
    let covered = 0;
    let near = 0;
    for (let episode = 0; episode < 200; episode += 1) {
      const found = changePoint(scored(Array.from({ length: 60 }, (_, index) => draw() + (index < 45 ? 0 : 2))), 1);
      if (found === null) continue;
      if (found.onsetLowMs <= 45_000 && found.onsetHighMs >= 45_000) covered += 1;
      if (Math.abs(found.onsetMs - 45_000) <= 3000) near += 1;
    }
    process.stdout.write(`onset in its interval: ${covered} of 200, within 3 points: ${near} of 200\n`);
    expect(covered).toBeGreaterThanOrEqual(170);
    expect(near).toBeGreaterThanOrEqual(150);
  });

  test('counts points and mean since, looks only in the asked direction, and finds nothing in nothing', () => {
    const found = changePoint(scored([0, 0, 0, 0, -4, -5, -4]), -1);
    expect(found).toMatchObject({ onsetMs: 4000, points: 3 });
    expect(found?.mean).toBeCloseTo(-26 / 3, 9);
    expect(changePoint(scored([0, 0, -4, -5, -4]), 1)).toBeNull();
    expect(changePoint([], 1)).toBeNull();
  });
});
