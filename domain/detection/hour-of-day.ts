import { median } from './robust';

const HOUR_MS = 3_600_000;
const HOURS = 24;
const MIN_DAYS = 3;
/** What the hour of the day explains must be worth its own error. */
const WORTH = 0.9;

/** What was usual at one moment, for example the median of five minutes. */
export interface UsualLevel {
  atMs: number;
  value: number;
}

/**
 * By how much each hour of the day (UTC) usually differs from the whole: 24 factors, those of the middles of the hours.
 * Null where fewer than three days are known for an hour, or where days do not repeat themselves: each day is predicted
 * from the other ones (cross-validation), and must come out closer than by the median of all. Values must be positive.
 */
export function hourOfDayFactors(levels: readonly UsualLevel[]): number[] | null {
  const known = levels.filter(({ value }) => Number.isFinite(value) && value > 0);
  const all = factorsOf(known);
  if (all === null) return null;
  const level = median(known.map(({ value }) => value)) ?? NaN;
  const days = new Set(known.map(dayOf));
  let [withSeason, without] = [0, 0];
  for (const day of days) {
    const factors = factorsOf(
      known.filter((one) => dayOf(one) !== day),
      MIN_DAYS - 1,
    );
    if (factors === null) return null;
    for (const one of known) {
      if (dayOf(one) !== day) continue;
      withSeason += Math.abs(one.value - level * factorAt(factors, one.atMs));
      without += Math.abs(one.value - level);
    }
  }
  return withSeason < WORTH * without ? all : null;
}

/** The factor of a moment, linear between the middles of the hours; 1 without factors. */
export function factorAt(factors: readonly number[] | null | undefined, atMs: number): number {
  if (!factors || factors.length !== HOURS) return 1;
  const position = (((atMs / HOUR_MS - 0.5) % HOURS) + HOURS) % HOURS;
  const hour = Math.floor(position);
  const here = factors[hour] ?? 1;
  return here + ((factors[(hour + 1) % HOURS] ?? here) - here) * (position - hour);
}

/** Median of each hour against that of all, smoothed over its neighbours (¼, ½, ¼). */
function factorsOf(levels: readonly UsualLevel[], minDays = MIN_DAYS): number[] | null {
  const level = median(levels.map(({ value }) => value));
  if (level === null || !(level > 0)) return null;
  const byHour = Array.from({ length: HOURS }, (): number[] => []);
  for (const { atMs, value } of levels) byHour[Math.floor(atMs / HOUR_MS) % HOURS]?.push(value);
  if (byHour.some((values) => values.length < minDays)) return null;
  const raw = byHour.map((values) => (median(values) ?? level) / level);
  const at = (hour: number): number => raw[(hour + HOURS) % HOURS] ?? 1;
  return raw.map((_, hour) => Number(((at(hour - 1) + 2 * at(hour) + at(hour + 1)) / 4).toPrecision(4)));
}

function dayOf({ atMs }: UsualLevel): number {
  return Math.floor(atMs / HOUR_MS / HOURS);
}
