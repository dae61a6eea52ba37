import { bernoulliParams, type BernoulliParams } from '../../domain/detection/bernoulli-e-detector';
import { MAX_CLASSES } from '../../domain/detection/class-rates';
import type { RateWords } from '../../domain/detection/rate-verdict';
import type { DetectionPolicy, MetricPolicy } from '../../domain/policy';
import type { Baseline } from '../../workflows/contract/activities';
import type { RowSums } from './window-sums';

/** Trials and bad outcomes of one chart; both may be negative in a row of corrected labels. */
export interface Tally {
  readonly trials: number;
  readonly failures: number;
}

/** One sequential chart of the watch: where its counts come from, what it is compared with, how people speak of it. */
export interface RateSpec {
  /** `error-rate`, `accuracy`, `recall:bulk`. */
  readonly name: string;
  readonly metric: MetricPolicy;
  readonly classLabel: string | null;
  /** Counts come from labels: they may be corrected, and may be rare. */
  readonly labelled: boolean;
  readonly params: BernoulliParams;
  readonly words: RateWords;
  /** Whose history made the limits, in words. */
  readonly source: string;
}

/** Assumed where nobody has measured it; a higher rate only raises the threshold (by its logarithm). */
const UNKNOWN_REQUESTS_PER_SECOND = 10;
const UNKNOWN_LABELS_PER_SECOND = 1;
/** Above this many classes each chart keeps three alternatives instead of four: the states must fit a heartbeat. */
const MANY_CLASSES = 10;

const requestWords: Readonly<Record<string, RateWords>> = {
  'error-rate': { form: 'failures', noun: 'requests', verb: 'failed' },
  'timeout-rate': { form: 'failures', noun: 'requests', verb: 'had no first byte in time' },
  'malformed-rate': { form: 'failures', noun: 'answers', verb: 'were malformed' },
};

/** The charts of a policy for which something is known that they can be compared with. */
export function rateSpecs(policy: DetectionPolicy, baseline: Baseline): RateSpec[] {
  return policy.metrics.flatMap((metric) => {
    if (metric.metric === 'recall') return classSpecs(metric, policy, baseline);
    const words = requestWords[metric.metric];
    if (words) return [specOf(metric.metric, metric, words, policy, baseline, {})];
    if (metric.metric !== 'accuracy') return [];
    const hits: RateWords = { form: 'hits', subject: 'the answer', verb: 'is right in', noun: 'labelled answers' };
    return [specOf('accuracy', metric, hits, policy, baseline, { labelled: true })];
  });
}

function classSpecs(metric: MetricPolicy, policy: DetectionPolicy, baseline: Baseline): RateSpec[] {
  const labels = Object.keys(baseline.metrics).filter((name) => name.startsWith('recall:'));
  return labels.slice(0, MAX_CLASSES).map((name) => {
    const classLabel = name.slice('recall:'.length);
    const words: RateWords = { form: 'hits', subject: classLabel, verb: 'is recognised in', noun: 'labelled answers' };
    const gridSize = labels.length > MANY_CLASSES ? 3 : 4;
    return specOf(name, metric, words, policy, baseline, { labelled: true, classLabel, gridSize });
  });
}

function specOf(
  name: string,
  metric: MetricPolicy,
  words: RateWords,
  policy: DetectionPolicy,
  baseline: Baseline,
  about: { labelled?: boolean; classLabel?: string; gridSize?: number },
): RateSpec {
  const known = baseline.metrics[name];
  const labelled = about.labelled === true;
  const rate = known === undefined ? 0 : words.form === 'hits' ? 1 - known.value : known.value;
  const trials = known?.n ?? 0;
  const source = known?.source ?? 'no history';
  const perSecond =
    baseline.ratePerSecond[name] ?? (labelled ? UNKNOWN_LABELS_PER_SECOND : UNKNOWN_REQUESTS_PER_SECOND);
  const params = bernoulliParams(
    {
      trials,
      failures: Math.min(trials, Math.max(0, rate * trials)),
      // What the level does in good times is forgiven, up to as much again as the margin.
      levelSd: Math.min(known?.spread ?? 0, metric.practicalMargin),
      words: source,
    },
    {
      practicalMargin: metric.practicalMargin,
      falseAlarmDays: policy.falseAlarmDays,
      observationsPerSecond: perSecond,
      ...(about.gridSize === undefined ? {} : { gridSize: about.gridSize }),
    },
  );
  return { name, metric, classLabel: about.classLabel ?? null, labelled, params, words, source };
}

/** What a row says to a chart; null when it says nothing to it. */
export function tallyOf(spec: Pick<RateSpec, 'name' | 'classLabel'>, row: RowSums): Tally | null {
  switch (spec.name) {
    case 'error-rate':
      // A stream that ended without its end is a failure for its user too.
      return requestTally(row, row.failures + row.cut);
    case 'timeout-rate':
      return row.notCounted?.includes('timeouts') === true ? null : requestTally(row, row.timeouts);
    case 'malformed-rate':
      return row.notCounted?.includes('malformed') === true ? null : requestTally(row, row.malformed);
    case 'accuracy':
      return labelTally(Object.values(row.labels));
    default: {
      const counts = spec.classLabel === null ? undefined : row.labels[spec.classLabel];
      return counts === undefined ? null : labelTally([counts]);
    }
  }
}

/** A caller's own fault (4xx) is no trial: a flood of them must not hide the failures of the others. */
function requestTally(row: RowSums, failures: number): Tally | null {
  const trials = Math.max(row.requests - row.clientErrors, failures);
  return trials > 0 ? { trials, failures } : null;
}

function labelTally(counts: readonly { n: number; correct: number }[]): Tally | null {
  let trials = 0;
  let failures = 0;
  for (const { n, correct } of counts) {
    trials += n;
    failures += n - correct;
  }
  return trials === 0 && failures === 0 ? null : { trials, failures };
}
