import { median } from './robust';
import type { HourlyMean } from './trend';

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
/** An hour of the day is expected from so many days at least. */
const MIN_DAYS = 3;

/**
 * Hourly means without what each hour of the day (UTC) usually differs from its own day: the median of that difference
 * over the days. Days are compared with themselves, so a slow decline is no season. Unchanged below three days.
 */
export function withoutDailySeason(hours: readonly HourlyMean[]): HourlyMean[] {
  const levels = new Map<number, number>();
  for (const [day, group] of groupsOf(hours, dayOf)) levels.set(day, median(group.map(({ mean }) => mean)) ?? 0);
  const offsets = new Map<number, number>();
  for (const [slot, group] of groupsOf(hours, slotOf)) {
    if (group.length < MIN_DAYS) return [...hours];
    offsets.set(slot, median(group.map((hour) => hour.mean - (levels.get(dayOf(hour)) ?? 0))) ?? 0);
  }
  // The offsets' own centre is level, not season.
  const level = median([...offsets.values()]) ?? 0;
  return hours.map((hour) => ({ ...hour, mean: hour.mean - (offsets.get(slotOf(hour)) ?? 0) + level }));
}

function dayOf({ atMs }: HourlyMean): number {
  return Math.floor(atMs / HOUR_MS / DAY_HOURS);
}

function slotOf({ atMs }: HourlyMean): number {
  return Math.floor(atMs / HOUR_MS) % DAY_HOURS;
}

function groupsOf(hours: readonly HourlyMean[], keyOf: (hour: HourlyMean) => number): Map<number, HourlyMean[]> {
  const groups = new Map<number, HourlyMean[]>();
  for (const hour of hours) {
    const key = keyOf(hour);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [hour]);
    else group.push(hour);
  }
  return groups;
}
