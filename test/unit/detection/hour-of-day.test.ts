import { factorAt, hourOfDayFactors } from '../../../domain/detection/hour-of-day';
import { seededUniform } from '../../../domain/detection/seeded-random';

const HOUR_MS = 3_600_000;
const startMs = Date.UTC(2026, 0, 5);

function levels(days: number, at: (hour: number) => number, noise = 0): { atMs: number; value: number }[] {
  const next = seededUniform(7);
  return Array.from({ length: days * 24 }, (_, hour) => ({
    atMs: startMs + (hour + 0.5) * HOUR_MS,
    value: at(hour % 24) * (1 + noise * (2 * next() - 1)),
  }));
}
const busyAtNoon = (hour: number): number => 100 * (1 + 0.5 * Math.sin(((hour - 6) * Math.PI) / 12));

test('hours that repeat themselves get their factors, within the smoothing', () => {
  const factors = hourOfDayFactors(levels(7, busyAtNoon, 0.05));
  expect(factors).toHaveLength(24);
  for (const hour of [0, 6, 12, 18]) expect(factors?.[hour]).toBeCloseTo(busyAtNoon(hour) / 100, 1);
});

test('between the middles of two hours the factor is between theirs, also over midnight', () => {
  const factors = Array.from({ length: 24 }, (_, hour) => 1 + hour / 100);
  expect(factorAt(factors, startMs + 10.5 * HOUR_MS)).toBeCloseTo(1.1, 12);
  expect(factorAt(factors, startMs + 11 * HOUR_MS)).toBeCloseTo(1.105, 12);
  expect(factorAt(factors, startMs)).toBeCloseTo((1.23 + 1) / 2, 12);
  expect(factorAt(null, startMs)).toBe(1);
});

test('days that do not repeat themselves have no season', () => {
  expect(hourOfDayFactors(levels(7, () => 100, 0.3))).toBeNull();
  expect(hourOfDayFactors(levels(7, () => 100))).toBeNull();
});

test('two days are no habit', () => {
  expect(hourOfDayFactors(levels(2, busyAtNoon))).toBeNull();
  expect(hourOfDayFactors([])).toBeNull();
});

test('one wild day does not bend the factors of the others', () => {
  const days = levels(7, busyAtNoon, 0.02);
  const wild = days.map((one, index) => (index >= 48 && index < 72 ? { ...one, value: 10 * one.value } : one));
  // Only their proportions matter: what is divided by them gets its own median.
  const factors = hourOfDayFactors(wild) ?? [];
  expect((factors[12] ?? NaN) / (factors[0] ?? NaN)).toBeCloseTo(busyAtNoon(12) / busyAtNoon(0), 0);
});

test('values that are not finite, or not positive, are left out', () => {
  const some = [...levels(7, busyAtNoon), { atMs: startMs, value: NaN }, { atMs: startMs, value: -1 }];
  expect(hourOfDayFactors(some)).toEqual(hourOfDayFactors(levels(7, busyAtNoon)));
});
