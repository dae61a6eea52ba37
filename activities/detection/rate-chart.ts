import {
  alarmRate,
  bernoulliEvidence,
  initialBernoulliState,
  stepBernoulli,
  type AlternativeState,
  type BernoulliState,
} from '../../domain/detection/bernoulli-e-detector';
import { wilsonUpper } from '../../domain/detection/rate-limits';
import { assessRateChart } from '../../domain/detection/rate-verdict';
import type { Verdict } from '../../domain/detection/types';
import type { DetectionPolicy } from '../../domain/policy';
import type { TierReading } from '../../workflows/contract/activities';
import type { RateSpec, Tally } from './chart-specs';

/** Begin, trials, failures of a stretch of time. */
type Bucket = [startMs: number, trials: number, failures: number];

/** A verdict that stands: its id, when it began (row time), and the failure rate that was seen then. */
interface Alarm {
  readonly id: string;
  readonly atMs: number;
  readonly rate: number;
}

export interface RateChart {
  readonly state: BernoulliState;
  /** The newest counts, for `status` and for the end of a verdict; oldest first. */
  readonly recent: readonly Bucket[];
  /** Corrections that took back more than a row held; the next labels pay for them. */
  readonly owed: Tally;
  readonly alarm: Alarm | null;
}

/** Buckets of `recent`: each at least a fifth of the calm time long and at least this full, so that a quiet service keeps its last counts. */
const BUCKETS = 5;
const BUCKET_TRIALS = 4;

export function newChart(spec: RateSpec): RateChart {
  return { state: initialBernoulliState(spec.params), recent: [], owed: { trials: 0, failures: 0 }, alarm: null };
}

/**
 * Folds one row. Corrected labels come as negative counts: they are taken from the same row's or from later counts of
 * the chart, never below zero; what the evidence already holds stays, so that a correction cannot undo an alarm by
 * arithmetic on logarithms.
 */
export function foldTally(
  chart: RateChart,
  spec: RateSpec,
  tally: Tally,
  atMs: number,
  policy: DetectionPolicy,
): RateChart {
  const trials = tally.trials + chart.owed.trials;
  const failures = tally.failures + chart.owed.failures;
  if (!Number.isFinite(trials) || !Number.isFinite(failures)) return chart;
  if (trials <= 0) return { ...chart, owed: { trials, failures } };
  const counted = Math.min(trials, Math.max(0, failures));
  return {
    ...chart,
    owed: { trials: 0, failures: failures - counted },
    state: stepBernoulli(chart.state, spec.params, { atMs, trials, failures: counted }),
    recent: withCounts(chart.recent, atMs, trials, counted, policy.calmMs / BUCKETS),
  };
}

function withCounts(
  recent: readonly Bucket[],
  atMs: number,
  trials: number,
  failures: number,
  bucketMs: number,
): readonly Bucket[] {
  const last = recent[recent.length - 1];
  if (last === undefined || (atMs - last[0] >= bucketMs && last[1] >= BUCKET_TRIALS))
    return [...recent, [atMs, trials, failures] as Bucket].slice(-BUCKETS - 1);
  return [...recent.slice(0, -1), [last[0], last[1] + trials, last[2] + failures]];
}

/** True when the chart alarms on enough samples and no verdict of it stands yet. */
export function begins(chart: RateChart, spec: RateSpec): boolean {
  return (
    chart.alarm === null &&
    chart.state.trials >= spec.metric.minSamples &&
    bernoulliEvidence(chart.state, spec.params).alarm
  );
}

/** From its alarm on a chart shows what came since the onset: the good counts before it would hide what is wrong now. */
export function alarmed(chart: RateChart, alarm: Alarm, trials: number): RateChart {
  return { ...chart, recent: [[alarm.atMs, trials, Math.round(alarm.rate * trials)]], alarm };
}

/**
 * True when there was no sign of the degradation for the calm time: everything that is kept is younger than the alarm,
 * covers the calm time, lies within the limit, and is enough to tell it from what was seen at the alarm. Silence ends
 * nothing.
 */
export function isCalm(chart: RateChart, spec: RateSpec, nowMs: number, calmMs: number): boolean {
  const { alarm, recent } = chart;
  const first = recent[0];
  if (alarm === null || first === undefined) return false;
  if (first[0] <= alarm.atMs || nowMs - first[0] < calmMs) return false;
  const { trials, failures } = sum(recent);
  const limit = spec.params.p0 + spec.params.practicalMargin;
  return failures <= limit * trials && wilsonUpper(failures, trials, 0.9) < Math.max(alarm.rate, 2 * limit);
}

export function sum(recent: readonly Bucket[]): Tally {
  let trials = 0;
  let failures = 0;
  for (const [, n, f] of recent) {
    trials += n;
    failures += f;
  }
  return { trials, failures };
}

/** How long a chart without counts still says something: labels come late and in batches. */
export function staleMs(spec: Pick<RateSpec, 'labelled'>, policy: DetectionPolicy): number {
  return spec.labelled ? Math.max(policy.unmeasuredAfterMs, policy.shortWindow.windowMs) : policy.unmeasuredAfterMs;
}

export function verdictOf(chart: RateChart, spec: RateSpec, nowMs: number, policy: DetectionPolicy): Verdict {
  return assessRateChart(chart.state, spec.params, {
    metric: spec.name,
    tier: spec.metric.tier,
    words: spec.words,
    ...(spec.classLabel === null ? {} : { classLabel: spec.classLabel }),
    baseline: spec.source,
    nowMs,
    staleMs: staleMs(spec, policy),
    minTrials: spec.metric.minSamples,
    hardRate: spec.metric.hard ? 0.5 : null,
  });
}

/** The line of `status`: what the newest counts say, not all since the chart began. */
export function readingOf(chart: RateChart, spec: RateSpec, nowMs: number, policy: DetectionPolicy): TierReading {
  const { trials, failures } = sum(chart.recent);
  const limit = alarmRate(spec.params, trials);
  const shown = (rate: number): number => (spec.words.form === 'hits' ? 1 - rate : rate);
  const kind = chart.alarm !== null ? 'degraded' : verdictOf(chart, spec, nowMs, policy).kind;
  return {
    tier: spec.metric.tier,
    metric: spec.name,
    // An alarm that is not reported (too few samples, or the metric stands already) is undecided.
    kind: kind === 'degraded' && chart.alarm === null ? 'inconclusive' : kind,
    observed: trials > 0 ? shown(failures / trials) : null,
    expected: spec.params.usable ? shown(spec.params.expectedRate) : null,
    limit: limit === null ? null : shown(limit),
    samples: trials,
    at: chart.state.atMs ?? nowMs,
  };
}

/** As it travels in heartbeats and histories: arrays instead of names, 200 to 250 bytes. */
export function pack({ state, recent, owed, alarm }: RateChart): unknown {
  const { atMs, trials, failures, unmeasured, grid } = state;
  const buckets = recent.flatMap(([start, n, f], index) => [start - (recent[index - 1]?.[0] ?? 0), n, f]);
  const rest = [
    owed.trials === 0 && owed.failures === 0 ? 0 : [owed.trials, owed.failures],
    alarm === null ? 0 : [alarm.id, alarm.atMs, alarm.rate],
  ];
  return [[atMs, trials, failures, unmeasured], grid, buckets, ...rest];
}

/** Null for what this code did not write: such a chart starts anew. */
export function unpack(value: unknown, spec: RateSpec): RateChart | null {
  if (!Array.isArray(value) || value.length !== 5) return null;
  const [head, grid, buckets, owed, alarm] = value as [
    [number | null, number, number, number],
    AlternativeState[],
    number[],
    0 | [number, number],
    0 | [string, number, number],
  ];
  if (!Array.isArray(head) || !Array.isArray(grid) || !Array.isArray(buckets)) return null;
  // Another baseline may have another number of alternatives; evidence for other rates is no evidence for these.
  if (grid.length !== spec.params.alternatives.length) return null;
  const recent: Bucket[] = [];
  let start = 0;
  for (let i = 0; i + 2 < buckets.length; i += 3) {
    start += buckets[i] ?? 0;
    recent.push([start, buckets[i + 1] ?? 0, buckets[i + 2] ?? 0]);
  }
  return {
    state: { atMs: head[0], trials: head[1], failures: head[2], unmeasured: head[3], grid },
    recent,
    owed: owed === 0 ? { trials: 0, failures: 0 } : { trials: owed[0], failures: owed[1] },
    alarm: alarm === 0 ? null : { id: alarm[0], atMs: alarm[1], rate: alarm[2] },
  };
}
