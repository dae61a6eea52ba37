import {
  alarmRate,
  bernoulliEvidence,
  type BernoulliEvidence,
  type BernoulliParams,
  type BernoulliState,
} from './bernoulli-e-detector';
import type { Tier, Verdict } from './types';
import { buildVerdict, clockText, durationText, falseAlarmText, percentText } from './verdict';

/**
 * How people speak of a rate. `failures`: "9 of 40 requests failed". `hits`: the chart counts misses, people hear of
 * the share that was right ("bulk is recognised in 71 % of 112 labelled answers").
 */
export type RateWords =
  { form: 'failures'; noun: string; verb: string } | { form: 'hits'; subject: string; verb: string; noun: string };

export interface RateVerdictOptions {
  metric: string;
  tier: Tier;
  words: RateWords;
  classLabel?: string;
  /** Whose history, for the verdict's `baseline`. */
  baseline: string;
  nowMs: number;
  /** No readable row for longer than this: `unmeasured`. */
  staleMs: number;
  /** Fewer observations since the chart began: `inconclusive` (default 20). An alarm needs no minimum but its own. */
  minTrials?: number;
  /** A failure rate since the onset from which a degradation is a hard failure (default .5); null: never. */
  hardRate?: number | null;
}

/** The verdict of one rate chart; everything that is shown is since the estimated onset, or over all it saw when ok. */
export function assessRateChart(state: BernoulliState, params: BernoulliParams, options: RateVerdictOptions): Verdict {
  const evidence = bernoulliEvidence(state, params);
  const common = {
    tier: options.tier,
    metric: options.metric,
    ...(options.classLabel === undefined ? {} : { classLabel: options.classLabel }),
    unit: 'ratio',
    baseline: options.baseline,
    statistic: {
      name: 'mixture e-detector (nats)',
      value: evidence.nats,
      threshold: params.thresholdNats,
      falseAlarmDays: params.falseAlarmDays,
    },
  };
  if (evidence.alarm) return degradedVerdict(common, evidence, params, options);

  const expected = shown(params.expectedRate, options.words);
  const silentMs = state.atMs === null ? null : options.nowMs - state.atMs;
  if (silentMs === null || silentMs > options.staleMs) {
    const since = silentMs === null ? 'yet' : `for ${durationText(silentMs)}`;
    return buildVerdict({
      ...common,
      kind: 'unmeasured',
      expected,
      sentence: `${options.metric}: no ${options.words.noun} ${since}`,
    });
  }
  const rate = state.trials > 0 ? state.failures / state.trials : 0;
  const seen = {
    ...common,
    observed: shown(rate, options.words),
    expected,
    ...limitOf(params, state.trials, options.words),
    samples: state.trials,
  };
  if (!params.usable) {
    const sentence = `${rateText(rate, state.trials, options.words)}; there is no usable history to compare it with`;
    return buildVerdict({ ...seen, kind: 'inconclusive', ucl: null, lcl: null, sentence });
  }
  const minTrials = options.minTrials ?? 20;
  if (state.trials < minTrials) {
    const sentence = `${rateText(rate, state.trials, options.words)}; that is too few to judge (${minTrials} needed)`;
    return buildVerdict({ ...seen, kind: 'inconclusive', sentence });
  }
  const history = percentText(expected);
  return buildVerdict({
    ...seen,
    kind: 'ok',
    sentence: `${rateText(rate, state.trials, options.words)}; its own history says ${history}`,
  });
}

function degradedVerdict(
  common: Pick<Verdict, 'tier' | 'metric' | 'unit' | 'baseline' | 'statistic'>,
  evidence: BernoulliEvidence,
  params: BernoulliParams,
  options: RateVerdictOptions,
): Verdict {
  const trials = Math.max(1, Math.round(evidence.trialsSinceOnset));
  const rate = Math.min(1, evidence.failuresSinceOnset / evidence.trialsSinceOnset);
  const hardRate = options.hardRate === undefined ? 0.5 : options.hardRate;
  const limits = limitOf(params, evidence.trialsSinceOnset, options.words);
  const limit = limits.ucl ?? limits.lcl;
  const expected = shown(params.expectedRate, options.words);
  const since = evidence.onsetMs === null ? '' : ` since ${clockText(evidence.onsetMs)}`;
  return buildVerdict({
    ...common,
    kind: 'degraded',
    hard: hardRate !== null && rate >= hardRate,
    observed: shown(rate, options.words),
    expected,
    ...limits,
    samples: trials,
    sinceMs: evidence.onsetMs,
    onsetMs: evidence.onsetMs,
    onsetLowMs: evidence.onsetLowMs,
    onsetHighMs: evidence.onsetHighMs,
    sentence:
      `${rateText(rate, trials, options.words)}${since}; its own history says ${percentText(expected)}` +
      `${limit === null ? '' : ` (limit ${percentText(limit)})`}; ${falseAlarmText(params.falseAlarmDays)}`,
  });
}

function shown(failureRate: number, words: RateWords): number {
  return words.form === 'hits' ? 1 - failureRate : failureRate;
}

function limitOf(params: BernoulliParams, trials: number, words: RateWords): Pick<Verdict, 'ucl' | 'lcl'> {
  const limit = alarmRate(params, trials);
  if (limit === null) return { ucl: null, lcl: null };
  return words.form === 'hits' ? { ucl: null, lcl: 1 - limit } : { ucl: limit, lcl: null };
}

/** A rate as people say it. */
export function rateText(failureRate: number, trials: number, words: RateWords): string {
  if (words.form === 'hits') {
    return `${words.subject} ${words.verb} ${percentText(1 - failureRate)} of ${trials} ${words.noun}`;
  }
  // The share of what is counted here: a rate since an estimated onset is a fraction of fractions.
  const failures = Math.round(failureRate * trials);
  return `${failures} of ${trials} ${words.noun} ${words.verb} (${percentText(trials > 0 ? failures / trials : failureRate)})`;
}
