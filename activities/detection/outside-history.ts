import {
  heldAtAnchor,
  outsidePoints,
  outsideReference,
  withoutHour,
  type OutsidePoint,
  type OutsideValue,
} from '../../domain/detection/outside-metric';
import { centerOf, shortened } from '../../domain/detection/score-reference';
import type { OutsideMetric } from '../../domain/policy';
import type { Baseline, BaselineInput, GoodPeriod } from '../../workflows/contract/activities';
import type { OutsideMetrics } from '../ports';
import { usualOffsets } from './outside-hours';
import { quietly } from './surroundings';

const READ_MS = 10_000;
/** Of one metric in all periods together, the newest: from 300 points on limits are hardly surer. */
const VALUES_MAX = 5_000;
/** A baseline travels with every assessment: so many metrics have an hour of the day in it, 120 bytes each. */
const SEASONS_MAX = 8;
const WORDS: Readonly<Record<OutsideMetric['from'], string>> = {
  pushed: 'good periods (pushed from outside)',
  prometheus: 'good periods (read from Prometheus)',
  engine: 'good periods (read from the serving copies)',
  alertmanager: 'good periods (read from Alertmanager)',
};

type Entry = Baseline['metrics'][string];

/**
 * What good looks like for the metrics from outside: their values in the good periods, whoever was asked for them. A
 * metric without a value in them has no entry, and stays undecided.
 */
export async function outsideHistory(
  outside: OutsideMetrics,
  { service, policy, anchors }: Pick<BaselineInput, 'service' | 'policy' | 'anchors'>,
  periods: readonly GoodPeriod[],
): Promise<Record<string, Baseline['metrics'][string]>> {
  const read = await Promise.all(
    (policy.outside ?? []).map(async (metric) => {
      // Judged by its own past: no good period makes its limits.
      if (metric.kind === 'series') return null;
      const values = await valuesOf(outside, service, metric, periods);
      const points = outsidePoints(values, metric.minSamples);
      if (points.length === 0) return null;
      return { metric, points, offsets: await usualOffsets(outside, service, metric, periods, values) };
    }),
  );
  const entries: [string, Entry][] = [];
  let seasons = 0;
  for (const found of read) {
    if (found === null) continue;
    const { metric, offsets, points } = found;
    if (offsets !== null) seasons += 1;
    const anchor = anchors[metric.metric];
    entries.push([metric.metric, entryOf(metric, points, seasons <= SEASONS_MAX ? offsets : null, anchor)]);
  }
  return Object.fromEntries(entries);
}

function entryOf(
  metric: OutsideMetric,
  points: readonly OutsidePoint[],
  offsets: readonly number[] | null,
  anchor: number | undefined,
): Entry {
  const measured = outsideReference(withoutHour(points, offsets), metric.practicalMargin);
  const held = anchor === undefined ? measured : heldAtAnchor(measured, metric, anchor);
  const reference = shortened(held);
  const words = centerOf(held) === centerOf(measured) ? '' : ', held at the margin of the anchor';
  return {
    value: centerOf(reference),
    n: points.length,
    spread: null,
    source: `${WORDS[metric.from]}${offsets === null ? '' : ', by the hour of the day'}${words}`,
    ...(anchor === undefined ? {} : { anchor }),
    reference,
    ...(offsets === null ? {} : { hourOffsets: offsets }),
  };
}

/** Newest period first, until enough is known; a period that cannot be read is left out. */
async function valuesOf(
  outside: OutsideMetrics,
  service: string,
  { metric }: OutsideMetric,
  periods: readonly GoodPeriod[],
): Promise<OutsideValue[]> {
  const values: OutsideValue[] = [];
  for (const { from, to } of [...periods].reverse()) {
    const room = VALUES_MAX - values.length;
    if (room <= 0) break;
    const more = await quietly(READ_MS, metric, () => outside.values(service, metric, from, to, room));
    values.push(...(more ?? []));
  }
  return values;
}
