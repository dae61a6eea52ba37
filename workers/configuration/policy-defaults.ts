import type { MetricPolicy } from '../../domain/policy';

/**
 * The shipped metrics. `latency-p95` needs both: the relative margin of its chart (a quarter of the expected value) and
 * this absolute one in milliseconds, so that 8 ms instead of 5 ms is no degradation. `memory` is a growth in MiB an
 * hour.
 */
export const defaultMetrics: readonly MetricPolicy[] = [
  immediateRate('error-rate', true),
  immediateRate('timeout-rate', true),
  immediateRate('malformed-rate', false),
  {
    metric: 'recall',
    kind: 'class-rate',
    badDirection: 'down',
    tier: 'short-window',
    minSamples: 30,
    practicalMargin: 0.03,
    assumed: null,
    hard: false,
  },
  {
    metric: 'accuracy',
    kind: 'rate',
    badDirection: 'down',
    tier: 'short-window',
    minSamples: 30,
    practicalMargin: 0.02,
    assumed: null,
    hard: false,
  },
  {
    metric: 'latency-p95',
    kind: 'quantile',
    badDirection: 'up',
    tier: 'short-window',
    minSamples: 50,
    practicalMargin: 25,
    assumed: null,
    hard: false,
  },
  {
    metric: 'memory',
    kind: 'memory',
    badDirection: 'up',
    tier: 'immediate',
    minSamples: 12,
    practicalMargin: 64,
    assumed: null,
    hard: false,
  },
  estimate('estimated-precision', 50, 0.05),
  estimate('estimated-accuracy', 50, 0.02),
  estimate('estimated-recall', 50, 0.05),
];

/** From calibrated confidences, where answers have a class and a score. */
function estimate(metric: string, minSamples: number, practicalMargin: number): MetricPolicy {
  return {
    metric,
    kind: 'class-rate',
    badDirection: 'down',
    tier: 'short-window',
    minSamples,
    practicalMargin,
    assumed: null,
    hard: false,
  };
}

function immediateRate(metric: string, hard: boolean): MetricPolicy {
  return {
    metric,
    kind: 'rate',
    badDirection: 'up',
    tier: 'immediate',
    minSamples: 4,
    practicalMargin: 0.01,
    assumed: 0.005,
    hard,
  };
}

/** The shipped policy as a person would write it; `configuration.schema.json` and the docs show these values. */
export const defaultPolicyText = {
  mode: 'act',
  cooldown: '30m',
  breaker: { consecutiveRollbacks: 2, calm: '24h' },
  bake: '24h',
  attempts: { maxCandidates: 3, total: '30m' },
  steps: { validate: '2m', load: '5m', probe: '30s', shift: '10s', drain: '5m', stopGrace: '30s' },
  verify: { goodAnswers: 20, max: '30s', confirm: '20m', confirmMax: '2h' },
  standby: { keepWarm: true, proofEvery: '10s', proofMaxAge: '30s', asFallback: true },
  keepPinsOn: ['trend'],
  keepPinsAtMost: { immediate: '0s', 'short-window': '5m', trend: '1h' },
  approval: { tiers: [], timeout: '30m', onTimeout: 'hold' },
  gradual: { stages: [0.05, 0.25, 0.5], stage: '10m' },
  target: { order: 'previous', maxDistance: 0.25, measureEvery: '10m' },
  minimumAcceptable: null,
  copiesLoadedMax: 3,
  swap: 'side-by-side',
  gapMax: '15m',
  ledgerWait: '500ms',
  ledgerDown: { immediate: 'proceed', 'short-window': 'hold', trend: 'hold' },
  undetermined: { immediate: 'rollback', 'short-window': 'rollback', trend: 'hold' },
  validated: { minAccuracy: 0.8, minRecall: 0.6 },
  drills: { live: false, maxShare: 0.05, maxLive: '10m' },
  freezeWindows: [],
  detection: {
    falseAlarmDays: 365,
    shortWindow: { every: '90s', window: '20m' },
    trend: { every: '1h', minPoints: 24 },
    calm: '2m',
    unmeasuredAfter: '60s',
    minHistory: '30m',
    estimates: { minLabels: 100, onDegraded: 'ask' },
    replay: { maxInputs: 300, budget: '30s' },
  },
} as const;
