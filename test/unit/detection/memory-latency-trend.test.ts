import {
  assessQuantile,
  initialQuantile,
  quantileLimitMs,
  quantileRanks,
  stepQuantile,
  type QuantileParams,
  type QuantileRow,
} from '../../../domain/detection/latency-quantile';
import { assessMemory, initialMemory, stepMemory, type MemoryState } from '../../../domain/detection/memory-leak';
import { assessTrend, hourlyMeans, type HourlyMean } from '../../../domain/detection/trend';
import type { Verdict } from '../../../domain/detection/types';
import { mulberry32, normalDraws } from '../../support/mulberry32';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

describe('memory', () => {
  const params = { limitBytes: 512 * MIB };
  const watch = (bytesAt: (second: number) => number, seconds: number): MemoryState => {
    let state = initialMemory();
    for (let second = 0; second < seconds; second += 1) {
      state = stepMemory(state, params, { atMs: second * 1000, value: bytesAt(second) });
    }
    return state;
  };
  const assess = (state: MemoryState, seconds: number): Verdict =>
    assessMemory(state, params, {
      metric: 'memory',
      tier: 'short-window',
      baseline: 'limit of the template',
      nowMs: seconds * 1000,
      staleMs: 30_000,
    });

  test('a steady rise that reaches the limit within two hours is a degradation with the time that is left', () => {
    const draw = normalDraws(mulberry32(1));
    const verdict = assess(
      watch((second) => 200 * MIB + second * 0.1 * MIB + draw() * MIB, 1_300),
      1_300,
    );
    expect(verdict.kind).toBe('degraded');
    expect(verdict.observed).toBeGreaterThan(330);
    expect(verdict.observed).toBeLessThan(390);
    expect(verdict.sentence).toMatch(/it reaches the limit in (29|3\d) min$/);
  });

  test('noise, and a start that fills caches and then stays, are none', () => {
    const draw = normalDraws(mulberry32(2));
    expect(
      assess(
        watch(() => 300 * MIB + draw() * 8 * MIB, 900),
        900,
      ).kind,
    ).toBe('ok');
    const warming = watch((second) => 100 * MIB + Math.min(second, 600) * 0.3 * MIB + draw() * MIB, 1200);
    expect(assess(warming, 1200).kind).toBe('ok');
  });

  test('a leak that would not outlast the warm-up is told within it, a slower one after it', () => {
    const fast = watch((second) => 100 * MIB + second * 5 * MIB, 60);
    expect(assess(fast, 60)).toMatchObject({ kind: 'degraded', hard: false });
    const slow = (second: number): number => 100 * MIB + second * 0.2 * MIB;
    expect(assess(watch(slow, 600), 600).kind).toBe('ok');
    expect(assess(watch(slow, 1_260), 1_260).kind).toBe('degraded');
  });

  test.each([
    [16_384, 1_536, 180],
    [8_192, 1_024, 300],
    [4_096, 512, 300],
    [16_384, 4_096, 600],
  ])('below %d MiB a cache of %d MiB that fills with a time constant of %d s is never a leak', (limit, cache, tau) => {
    const wide = { limitBytes: limit * MIB };
    let state = initialMemory();
    for (let second = 0; second < 3_600; second += 5) {
      const value = (1_024 + cache * (1 - Math.exp(-second / tau))) * MIB;
      state = stepMemory(state, wide, { atMs: second * 1000, value });
      const about = {
        metric: 'memory',
        tier: 'immediate' as const,
        baseline: 'b',
        nowMs: second * 1000,
        staleMs: 30_000,
      };
      expect([second, assessMemory(state, wide, about).kind]).not.toEqual([second, 'degraded']);
    }
  });

  test('keeps at most 32 samples however long it runs, and survives JSON', () => {
    const state = watch((second) => 300 * MIB + (second % 7) * 1024, 20_000);
    expect(state.samples.length).toBeLessThanOrEqual(32);
    expect(state.samples.length).toBeGreaterThanOrEqual(16);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
    expect(JSON.stringify(state).length).toBeLessThanOrEqual(600);
  });

  test('few samples are inconclusive, none are unmeasured, and a missing value changes nothing but its counter', () => {
    expect(
      assess(
        watch(() => 300 * MIB, 20),
        20,
      ).kind,
    ).toBe('inconclusive');
    expect(assess(initialMemory(), 20).kind).toBe('unmeasured');
    const before = watch(() => 300 * MIB, 60);
    expect(stepMemory(before, params, { atMs: 61_000, value: NaN })).toEqual({ ...before, unmeasured: 1 });
  });

  test('a limit that is reached is hard, when it was seen twice', () => {
    expect(
      assess(
        watch(() => 513 * MIB, 2),
        2,
      ).kind,
    ).toBe('inconclusive');
    expect(
      assess(
        watch(() => 513 * MIB, 20),
        20,
      ),
    ).toMatchObject({ kind: 'degraded', hard: true });
  });
});

describe('latency', () => {
  const params: QuantileParams = { quantile: 0.95, baselineMs: 80 };
  const verdictOf = (rows: QuantileRow[]): Verdict => {
    const state = rows.reduce((before, row) => stepQuantile(before, params, row), initialQuantile());
    return assessQuantile(state, params, {
      metric: 'latency-p95',
      tier: 'short-window',
      baseline: 'chat@41',
      nowMs: rows.length * 60_000,
      staleMs: 180_000,
    });
  };
  const rows = (values: (number | null)[], count = 500, lowShare = 0.97): QuantileRow[] =>
    values.map((valueMs, index) => ({
      atMs: index * 60_000,
      count,
      valueMs,
      ...(valueMs === null ? {} : { lowMs: valueMs * lowShare }),
    }));

  test('a p95 beyond the margin in four of five intervals is a degradation since the first of them', () => {
    const verdict = verdictOf(rows([80, 82, 120, 125, 90, 121, 130]));
    expect(verdict).toMatchObject({ kind: 'degraded', onsetMs: 120_000, ucl: 100, expected: 80, samples: 2000 });
    expect(verdict.sentence).toBe(
      'p95 is 130 ms; its own history says 80 ms (limit 100 ms), in 4 of the last 5 intervals since 00:02:00 UTC',
    );
  });

  test('a single spike, a rise within the margin, and a rise that the sample cannot prove are none', () => {
    expect(verdictOf(rows([80, 81, 900, 79, 80, 82])).kind).toBe('ok');
    expect(verdictOf(rows([95, 96, 97, 95, 96, 98])).kind).toBe('ok');
    expect(verdictOf(rows([120, 121, 119, 122, 125], 500, 0.7)).kind).toBe('ok');
  });

  test('intervals with too few requests are unmeasured and neither trigger nor reset', () => {
    expect(verdictOf(rows([500, 500, 500, 500, 500], 12)).kind).toBe('unmeasured');
    const mixed = rows([120, 120, null, 120, NaN, 120]);
    expect(verdictOf(mixed).kind).toBe('degraded');
  });

  test('the ranks around a quantile narrow with the sample, and a fast service needs an absolute margin as well', () => {
    expect(quantileRanks(0.95, 100).low).toBeCloseTo(0.9073, 3);
    expect(quantileRanks(0.95, 10_000).low).toBeGreaterThan(0.945);
    expect(quantileRanks(0.95, 0)).toEqual({ low: 0, high: 1 });
    expect(quantileLimitMs({ quantile: 0.95, baselineMs: 4 })).toBe(9);
  });
});

describe('the trend tier', () => {
  const params = { anchor: 0.93, practicalMargin: 0.02, harmful: 'down' as const, unit: 'ratio' };
  const series = (hours: number, meanAt: (hour: number) => number): HourlyMean[] =>
    Array.from({ length: hours }, (_, hour) => ({ atMs: hour * HOUR_MS, mean: meanAt(hour), count: 500 }));
  const assess = (hours: HourlyMean[], using = params): Verdict =>
    assessTrend(hours, using, {
      metric: 'accuracy',
      baseline: 'evaluation report of 1.2',
      nowMs: (hours.length + 1) * HOUR_MS,
      staleMs: 3 * HOUR_MS,
    });

  test('fewer than 24 hours are inconclusive, whatever they show', () => {
    expect(assess(series(23, () => 0.1)).kind).toBe('inconclusive');
    expect(assess([]).kind).toBe('unmeasured');
  });

  test('a decline of one point a day is found when it passes the margin, and dated', () => {
    const draw = normalDraws(mulberry32(11));
    const verdict = assess(series(120, (hour) => 0.93 - (0.01 * Math.max(0, hour - 24)) / 24 + 0.006 * draw()));
    expect(verdict).toMatchObject({ kind: 'degraded', tier: 'trend', expected: 0.93, lcl: 0.93 - 0.02 });
    expect(verdict.sentence).toContain('it moved by more than the practical margin of 2 %');
    expect(verdict.onsetMs).toBeGreaterThan(0);
  });

  test('a decline so slow that every day looks like the one before still counts against the anchor', () => {
    const draw = normalDraws(mulberry32(12));
    const slow = series(336, (hour) => 0.905 - (0.001 * hour) / 24 + 0.004 * draw());
    expect(assess(slow).kind).toBe('degraded');
  });

  test('noise around the anchor, an improvement, and a move below the margin are ok', () => {
    const draw = normalDraws(mulberry32(13));
    expect(assess(series(200, () => 0.93 + 0.006 * draw())).kind).toBe('ok');
    expect(assess(series(200, () => 0.97 + 0.006 * draw())).kind).toBe('ok');
    const small = assess(series(200, () => 0.922 + 0.003 * draw()));
    expect(small.kind).toBe('ok');
    expect(small.sentence).toContain('it moved, by less than');
  });

  test('the means leave out the hour that still runs and every value that could not be measured', () => {
    const points = [
      { atMs: 10, value: 1, count: 3 },
      { atMs: 20, value: 5, count: 1 },
      { atMs: 30, value: NaN },
      { atMs: HOUR_MS + 1, value: null },
      { atMs: 2 * HOUR_MS + 1, value: 7 },
    ];
    expect(hourlyMeans(points, 2.5 * HOUR_MS)).toEqual([{ atMs: 0, mean: 2, count: 4 }]);
  });
});
