import type { State } from '../types';
import { ago, metricValue, plural, table } from './words';

/** What each tier last saw of each metric. */
export function tierTable(tiers: State['tiers'], now: number): string[] {
  if (tiers.length === 0) return ['    no tier has reported yet'];
  const header = ['tier', 'metric', 'verdict', 'observed', 'expected', 'limit', 'samples', 'measured'];
  const rows = tiers.map((reading) => [
    reading.tier,
    reading.metric,
    reading.kind,
    metricValue(reading.metric, reading.observed, reading.unit),
    metricValue(reading.metric, reading.expected, reading.unit),
    metricValue(reading.metric, reading.limit, reading.unit),
    String(reading.samples),
    ago(reading.at, now),
  ]);
  return table([header, ...rows], '    ');
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
