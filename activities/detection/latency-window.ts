import { factorAt } from '../../domain/detection/hour-of-day';
import { quantileLimitMs } from '../../domain/detection/latency-quantile';
import { median } from '../../domain/detection/robust';
import {
  initialValueChart,
  stepValueChart,
  valueChartEvidence,
  type ValueChartEvidence,
} from '../../domain/detection/value-chart';
import { buildVerdict, clockText, numberText } from '../../domain/detection/verdict';
import type { CountsRow } from '../../gateway/protocol';
import type { AssessmentInput, TierReading } from '../../workflows/contract/activities';
import type { Judged } from './judged';
import { expectedAt, LATENCY, latencyIntervals, latencySpec, type LatencySpec } from './latency-chart';

/** Fewer intervals than this are no window of latencies. */
const MIN_INTERVALS = 12;

/**
 * The median interval of the window, each against what is usual at its hour of the day. Beyond the rule's limit it is
 * degraded where the chart over the same intervals says as well that the history's own movement is not the reason.
 */
export function judgeLatency(input: AssessmentInput, rows: readonly CountsRow[]): Judged[] {
  const spec = latencySpec(input.policy, input.baseline);
  if (!spec) return [];
  const intervals = latencyIntervals(rows, spec.metric.minSamples);
  const newest = intervals[intervals.length - 1]?.atMs ?? input.now;
  const params = expectedAt(spec, newest);
  const value = median(intervals.map(({ valueMs }) => valueMs));
  // Compared as if all of them were of the newest one's hour.
  const level = median(intervals.map(({ atMs, valueMs }) => valueMs / factorAt(spec.season, atMs)));
  const comparable = level === null ? null : level * factorAt(spec.season, newest);
  const limit = params ? quantileLimitMs(params) : null;
  const beyond = comparable !== null && limit !== null && comparable > limit;
  const evidence = beyond ? evidenceOf(spec, intervals) : null;
  const kind =
    value === null
      ? 'unmeasured'
      : params === null || intervals.length < MIN_INTERVALS
        ? 'inconclusive'
        : !beyond
          ? 'ok'
          : evidence?.sustained === false
            ? 'inconclusive'
            : 'degraded';
  const reading: TierReading = {
    tier: spec.metric.tier,
    metric: LATENCY,
    kind,
    observed: value,
    expected: params?.baselineMs ?? null,
    limit,
    samples: intervals.length,
    at: newest,
  };
  if (kind !== 'degraded' || value === null || params === null || limit === null) return [{ reading, verdict: null }];
  const first = intervals.find(({ valueMs }) => valueMs > limit)?.atMs ?? null;
  const onsetMs = evidence?.onsetMs ?? first;
  const verdict = buildVerdict({
    kind,
    tier: spec.metric.tier,
    metric: LATENCY,
    observed: value,
    expected: params.baselineMs,
    ucl: limit,
    unit: 'ms',
    samples: intervals.length,
    sinceMs: first,
    onsetMs,
    onsetLowMs: evidence?.onsetLowMs ?? null,
    onsetHighMs: onsetMs === null ? null : newest,
    statistic: { name: 'median of the intervals', value, threshold: limit, falseAlarmDays: null },
    sentence:
      `${LATENCY} is ${numberText(value)} ms in the median of ${intervals.length} intervals` +
      `${onsetMs === null ? '' : `, about since ${clockText(onsetMs)}`}; ` +
      `its own history says ${numberText(params.baselineMs)} ms (limit ${numberText(limit)} ms)`,
    baseline: spec.source,
  });
  return [{ reading, verdict }];
}

/** The chart over the intervals of the window alone; null where the history is too short for one. */
function evidenceOf(
  { chart, season }: LatencySpec,
  intervals: readonly { atMs: number; valueMs: number }[],
): ValueChartEvidence | null {
  if (chart === null) return null;
  let state = initialValueChart(chart);
  for (const { atMs, valueMs } of intervals)
    state = stepValueChart(state, chart, { atMs, value: valueMs / factorAt(season, atMs) });
  return valueChartEvidence(state, chart);
}
