import { hourOfDayFactors, type UsualLevel } from '../../domain/detection/hour-of-day';
import { median } from '../../domain/detection/robust';
import type { CountsRow } from '../../gateway/protocol';
import type { GoodPeriod } from '../../workflows/contract/activities';
import type { Telemetry } from '../ports';
import { quietly } from './surroundings';
import { rowsOf } from './window-sums';

const HOUR_MS = 3_600_000;
/** A week of hours, each seen by five minutes around its middle: some 170 short reads every six hours. */
const HOURS_BACK = 7 * 24;
const HOURS_MIN = 3 * 24;
const LOOK_MS = 5 * 60_000;
const READ_MS = 5_000;
/** A store that does not answer is not asked for the whole week. */
const FAILURES_MAX = 2;
/** A slow store must not keep the baseline from being made at all: then there is no season this time. */
const BUDGET_MS = 15_000;

/** Five minutes of each hour of the last week that lie in a good period, oldest first. */
export interface UsualHour {
  readonly atMs: number;
  readonly rows: readonly CountsRow[];
}

/** Nothing where the good periods do not span three days: then nobody knows what an hour of the day is like. */
export async function usualHours(
  telemetry: Telemetry,
  service: string,
  periods: readonly GoodPeriod[],
): Promise<UsualHour[]> {
  const to = Math.max(...periods.map((one) => one.to));
  const from = Math.min(...periods.map((one) => one.from));
  if (!(to - from >= HOURS_MIN * HOUR_MS)) return [];
  const newest = Math.floor(to / HOUR_MS);
  const hours: UsualHour[] = [];
  let failures = 0;
  const until = performance.now() + BUDGET_MS;
  for (let hour = newest - HOURS_BACK; hour <= newest; hour += 1) {
    if (performance.now() > until) return [];
    const begin = hour * HOUR_MS + (HOUR_MS - LOOK_MS) / 2;
    const period = periods.find((one) => one.from <= begin && one.to >= begin + LOOK_MS);
    if (!period) continue;
    const rows = await quietly(READ_MS, 'a usual hour', () => telemetry.window(service, begin, begin + LOOK_MS));
    if (rows === null && ++failures >= FAILURES_MAX) break;
    const own = rows === null ? [] : rowsOf(rows, period.version);
    if (own.length > 0) hours.push({ atMs: begin + LOOK_MS / 2, rows: own });
  }
  return hours;
}

/** The factors of a metric by hour of the day; null where days do not repeat themselves, or are too few. */
export function seasonOf(
  hours: readonly UsualHour[],
  valuesOf: (rows: readonly CountsRow[]) => readonly number[],
): number[] | null {
  const levels = hours.flatMap(({ atMs, rows }): UsualLevel[] => {
    const value = median([...valuesOf(rows)]);
    return value === null ? [] : [{ atMs, value }];
  });
  return hourOfDayFactors(levels);
}
