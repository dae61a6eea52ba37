import { withoutDailySeason } from '../../../domain/detection/daily-season';
import type { HourlyMean } from '../../../domain/detection/trend';

const HOUR_MS = 3_600_000;
const series = (hours: number, meanAt: (hour: number) => number): HourlyMean[] =>
  Array.from({ length: hours }, (_, hour) => ({ atMs: hour * HOUR_MS, mean: meanAt(hour), count: 9 }));
const daily = (hour: number): number => 10 * Math.sin((2 * Math.PI * hour) / 24);

test('what an hour of the day repeats is removed, the level stays', () => {
  const flat = withoutDailySeason(series(96, (hour) => 100 + daily(hour)));
  for (const { mean } of flat) expect(Math.abs(mean - 100)).toBeLessThan(1);
});

test('a slow decline is no season, nor is a step that lasts', () => {
  const declining = withoutDailySeason(series(120, (hour) => 100 - hour / 24 + daily(hour)));
  expect((declining[0]?.mean ?? 0) - (declining[96]?.mean ?? 0)).toBeCloseTo(4, 1);
  const stepped = withoutDailySeason(series(144, (hour) => (hour < 120 ? 100 : 90) + daily(hour)));
  expect(Math.abs((stepped[143]?.mean ?? 0) - 90)).toBeLessThan(1);
});

test('fewer than three days of any hour are left as they are', () => {
  const short = series(71, (hour) => 100 + daily(hour));
  expect(withoutDailySeason(short)).toEqual(short);
  expect(withoutDailySeason([])).toEqual([]);
});
