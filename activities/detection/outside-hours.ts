import { hourOffsets } from '../../domain/detection/hour-offsets';
import { outsidePoints, type OutsideValue } from '../../domain/detection/outside-metric';
import type { UsualLevel } from '../../domain/detection/hour-of-day';
import { median } from '../../domain/detection/robust';
import type { OutsideMetric } from '../../domain/policy';
import type { GoodPeriod } from '../../workflows/contract/activities';
import type { OutsideMetrics } from '../ports';
import { quietly } from './surroundings';

const HOUR_MS = 3_600_000;
const DAYS_MIN_MS = 72 * HOUR_MS;
const HOURS_BACK = 7 * 24;
/** Of each hour its middle five minutes, where values come so often that a week of all of them would not be read. */
const LOOK_MS = 5 * 60_000;
const LOOK_VALUES = 100;
const READ_MS = 5_000;
/** A source that does not answer is not asked for the whole week. */
const FAILURES_MAX = 2;
/** A baseline has a minute. A week that is not read to its end gives hours without three days, so no season. */
const BUDGET_MS = 15_000;

/**
 * What is usual at each hour of the day, from good periods that span three days or more: 24 differences, null where days do
 * not repeat themselves. `values`: the newest ones, already read; where they reach back three days nothing else is asked.
 */
export async function usualOffsets(
  outside: OutsideMetrics,
  service: string,
  metric: OutsideMetric,
  periods: readonly GoodPeriod[],
  values: readonly OutsideValue[],
): Promise<number[] | null> {
  const to = Math.max(...periods.map((one) => one.to));
  const from = Math.min(...periods.map((one) => one.from));
  if (!(to - from >= DAYS_MIN_MS)) return null;
  const oldest = values.reduce((least, { atMs }) => Math.min(least, atMs), Infinity);
  const isWhole = to - oldest >= Math.min(to - from, HOURS_BACK * HOUR_MS) - HOUR_MS;
  const all = isWhole ? values : await middles(outside, service, metric, periods, to);
  return hourOffsets(levelsOf(all, metric.minSamples));
}

/** The median of each hour, so that every hour has one say. */
function levelsOf(values: readonly OutsideValue[], minSamples: number): UsualLevel[] {
  const hours = new Map<number, OutsideValue[]>();
  for (const value of values) {
    const hour = Math.floor(value.atMs / HOUR_MS);
    const group = hours.get(hour);
    if (group === undefined) hours.set(hour, [value]);
    else group.push(value);
  }
  return [...hours].flatMap(([hour, group]): UsualLevel[] => {
    const value = median(outsidePoints(group, minSamples).map((point) => point.value));
    return value === null ? [] : [{ atMs: (hour + 0.5) * HOUR_MS, value }];
  });
}

async function middles(
  outside: OutsideMetrics,
  service: string,
  { metric }: OutsideMetric,
  periods: readonly GoodPeriod[],
  to: number,
): Promise<OutsideValue[]> {
  const found: OutsideValue[] = [];
  let failures = 0;
  const until = performance.now() + BUDGET_MS;
  const newest = Math.floor(to / HOUR_MS);
  for (
    let hour = newest - HOURS_BACK;
    hour <= newest && failures < FAILURES_MAX && performance.now() < until;
    hour += 1
  ) {
    const begin = hour * HOUR_MS + (HOUR_MS - LOOK_MS) / 2;
    if (!periods.some((one) => one.from <= begin && one.to >= begin + LOOK_MS)) continue;
    const values = await quietly(READ_MS, metric, () =>
      outside.values(service, metric, begin, begin + LOOK_MS, LOOK_VALUES),
    );
    if (values === null) failures += 1;
    else found.push(...values);
  }
  return found;
}
