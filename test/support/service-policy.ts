import type { MetricPolicy, ServicePolicy } from '../../domain/policy';

const minute = 60_000;
export const hour = 60 * minute;

const errorRate: MetricPolicy = {
  metric: 'error-rate',
  kind: 'rate',
  badDirection: 'up',
  tier: 'immediate',
  minSamples: 20,
  practicalMargin: 0.01,
  assumed: 0.01,
  hard: true,
};

/** The shipped times of a service, as the reducer gets them. */
export function servicePolicy(change: Partial<ServicePolicy> = {}): ServicePolicy {
  return {
    mode: 'act',
    cooldownMs: 30 * minute,
    breaker: { consecutiveRollbacks: 2, calmMs: 24 * hour },
    bakeMs: 24 * hour,
    attempts: { maxCandidates: 3, totalMs: 30 * minute },
    steps: {
      validateMs: 5 * minute,
      loadMs: 10 * minute,
      probeMs: 2 * minute,
      shiftMs: 10_000,
      drainMs: 5 * minute,
      stopGraceMs: 10_000,
    },
    verify: { goodAnswers: 20, verifyMaxMs: minute, confirmMs: 10 * minute, confirmMaxMs: 2 * hour },
    standby: { keepWarm: true, proofIntervalMs: 10_000, proofMaxAgeMs: 30_000, asFallback: true },
    sessions: { maxLifetimeMs: hour, keepPinsOn: ['trend'] },
    approval: { tiers: [], timeoutMs: hour, onTimeout: 'hold' },
    gradual: { stages: [0.1, 0.5], stageMs: 5 * minute },
    minimumAcceptable: null,
    copiesLoadedMax: 3,
    ledgerWaitMs: 500,
    ledgerDown: { immediate: 'proceed', 'short-window': 'hold', trend: 'hold' },
    undetermined: { immediate: 'rollback', 'short-window': 'rollback', trend: 'hold' },
    validated: { minAccuracy: 0.9, minRecall: 0.8 },
    changes: 'lastgood',
    onForeignQuarantined: 'alarm',
    freezeWindows: [],
    unverifiedOperators: 'allow',
    detection: {
      metrics: [errorRate, { ...errorRate, metric: 'recall', kind: 'class-rate', tier: 'short-window', hard: false }],
      falseAlarmDays: 30,
      shortWindow: { everyMs: minute, windowMs: 20 * minute },
      trend: { everyMs: hour, minPoints: 12 },
      calmMs: 5 * minute,
      unmeasuredAfterMs: 30_000,
      minHistoryMs: hour,
      replay: { maxInputs: 200, budgetMs: 10_000 },
    },
    ...change,
  };
}
