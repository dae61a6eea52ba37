import { hourOffsets, offsetAt } from '../../../domain/detection/hour-offsets';
import { mulberry32, normalDraws } from '../../support/mulberry32';

const hourMs = 3_600_000;
const startMs = Date.UTC(2026, 4, 4);
const wave = (atMs: number): number => 10 * Math.sin(((atMs / hourMs - 0.5) / 24) * 2 * Math.PI);

function hours(days: number, valueAt: (atMs: number, noise: number) => number, seed = 3) {
  const draw = normalDraws(mulberry32(seed));
  return Array.from({ length: days * 24 }, (_, hour) => {
    const atMs = startMs + (hour + 0.5) * hourMs;
    return { atMs, value: valueAt(atMs, draw()) };
  });
}

test.each([0, -500, 80, 1e6])('a metric around %d has the differences of its hours, in its own unit', (center) => {
  const offsets = hourOffsets(hours(7, (atMs, noise) => center + wave(atMs) + noise));
  expect(offsets).toHaveLength(24);
  for (let hour = 0; hour < 24; hour += 1) {
    const atMs = startMs + (hour + 0.5) * hourMs;
    expect(Math.abs(offsetAt(offsets, atMs) - wave(atMs))).toBeLessThan(2);
  }
  expect(JSON.stringify(offsets).length).toBeLessThan(180);
});

test('noise, a trend, two days, a constant and values that are none have no season', () => {
  for (let seed = 1; seed <= 20; seed += 1) expect(hourOffsets(hours(7, (_, noise) => noise, seed))).toBeNull();
  expect(hourOffsets(hours(7, (atMs, noise) => (atMs - startMs) / hourMs + noise))).toBeNull();
  expect(hourOffsets(hours(2, wave))).toBeNull();
  expect(hourOffsets(hours(7, () => 5))).toBeNull();
  expect(hourOffsets(hours(7, () => NaN))).toBeNull();
  expect(hourOffsets([])).toBeNull();
});

test('without offsets nothing is added', () => {
  expect([offsetAt(null, startMs), offsetAt(undefined, startMs)]).toEqual([0, 0]);
});
