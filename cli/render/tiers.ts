import type { State } from '../types';
import { ago, metricValue, plural } from './words';

export const tierHead = ['tier', 'metric', 'verdict', 'observed', 'expected', 'limit', 'samples', 'measured'];

/** What each tier last saw of each metric. */
export function tierRows(tiers: State['tiers'], now: number): string[][] {
  return tiers.map((reading) => [
    reading.tier,
    reading.metric,
    reading.kind,
    metricValue(reading.metric, reading.observed, reading.unit),
    metricValue(reading.metric, reading.expected, reading.unit),
    metricValue(reading.metric, reading.limit, reading.unit),
    String(reading.samples),
    ago(reading.at, now),
  ]);
}

/** Why metrics that were looked at say nothing; the same reason once. */
export function undecided(tiers: State['tiers']): string[] {
  const metrics = new Map<string, string[]>();
  for (const { metric, why } of tiers) if (why !== undefined) metrics.set(why, [...(metrics.get(why) ?? []), metric]);
  return [...metrics].map(([why, names]) => {
    const [first = '', ...more] = names;
    return `${first}${more.length === 0 ? '' : ` and ${plural(more.length, 'other')}`}: ${why}`;
  });
}
