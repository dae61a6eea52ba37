import { z } from 'zod';
import type { ReplicaPlan } from '../../domain/hosts';
import type { PipelinePolicy } from '../../domain/items/pipeline-policy';
import type { Tier } from '../../domain/detection/types';
import type { CachePolicy, MetricPolicy, OutsideMetric, ServicePolicy } from '../../domain/policy';
import { LIVE_DRILL_SHARE_MAX } from '../../domain/route';
import { count, duration, rate, versionName } from './fields';
import { defaultMetrics, defaultPolicyText as shipped } from './policy-defaults';

const tier = z.enum(['immediate', 'short-window', 'trend']);
const amount = z.number('a number of at least 0').min(0, 'a number of at least 0');

const metricChange = z.strictObject({
  tier: tier.optional(),
  minSamples: count(1, 1_000_000).optional(),
  practicalMargin: amount.optional(),
  assumed: rate.nullable().optional(),
  hard: z.boolean().optional(),
});

const metricNames = defaultMetrics.map(({ metric }) => metric);

/** The shipped metrics by name: `off` leaves one out, an object changes some of its values. */
const metrics = z.strictObject(
  Object.fromEntries(
    metricNames.map((name) => [name, z.union([z.literal('off'), metricChange], { error: metricWords }).optional()]),
  ),
);

function metricWords(issue: { input?: unknown }): string {
  return typeof issue.input === 'object'
    ? 'an object with tier, minSamples, practicalMargin, assumed, hard (numbers 0–1 for rates)'
    : 'off, or an object with tier, minSamples, practicalMargin, assumed, hard';
}

const byTier = <const V extends string>(values: readonly [V, ...V[]], given: Readonly<Record<Tier, V>>) =>
  z
    .strictObject({
      immediate: z.enum(values).prefault(given.immediate),
      'short-window': z.enum(values).prefault(given['short-window']),
      trend: z.enum(values).prefault(given.trend),
    })
    .prefault({});

const detection = z
  .strictObject({
    metrics: metrics.prefault({}),
    falseAlarmDays: z
      .number()
      .min(0.0001, 'days, more than 0')
      .max(3650, 'at most 3650 days')
      .prefault(shipped.detection.falseAlarmDays),
    shortWindow: z
      .strictObject({
        every: duration({ min: '1s', max: '1h' }).prefault(shipped.detection.shortWindow.every),
        window: duration({ min: '5s', max: '6h' }).prefault(shipped.detection.shortWindow.window),
      })
      .prefault({}),
    trend: z
      .strictObject({
        every: duration({ min: '1s', max: '7d' }).prefault(shipped.detection.trend.every),
        minPoints: count(3, 1_000).prefault(shipped.detection.trend.minPoints),
      })
      .prefault({}),
    calm: duration({ min: '1s', max: '24h' }).prefault(shipped.detection.calm),
    unmeasuredAfter: duration({ min: '2s', max: '24h' }).prefault(shipped.detection.unmeasuredAfter),
    minHistory: duration({ max: '30d' }).prefault(shipped.detection.minHistory),
    estimates: z
      .strictObject({
        minLabels: count(30, 100_000).prefault(shipped.detection.estimates.minLabels),
        onDegraded: z.enum(['ask', 'act']).prefault(shipped.detection.estimates.onDegraded),
      })
      .prefault({}),
    replay: z
      .strictObject({
        maxInputs: count(0, 10_000).prefault(shipped.detection.replay.maxInputs),
        budget: duration({ min: '100ms', max: '10m' }).prefault(shipped.detection.replay.budget),
      })
      .prefault({}),
  })
  .prefault({});

const stepLimit = duration({ min: '100ms', max: '6h' });

/** `services.<name>.policy`: everything that governs one service, with the shipped values. */
export const policySchema = z.strictObject({
  mode: z.enum(['observe', 'confirm', 'act']).prefault(shipped.mode),
  cooldown: duration({ max: '7d' }).prefault(shipped.cooldown),
  breaker: z
    .strictObject({
      consecutiveRollbacks: count(1, 20).prefault(shipped.breaker.consecutiveRollbacks),
      calm: duration({ min: '1s', max: '30d' }).prefault(shipped.breaker.calm),
    })
    .prefault({}),
  bake: duration({ max: '30d' }).prefault(shipped.bake),
  attempts: z
    .strictObject({
      maxCandidates: count(1, 20).prefault(shipped.attempts.maxCandidates),
      total: duration({ min: '1s', max: '24h' }).prefault(shipped.attempts.total),
    })
    .prefault({}),
  steps: z
    .strictObject({
      validate: stepLimit.prefault(shipped.steps.validate),
      load: stepLimit.prefault(shipped.steps.load),
      probe: stepLimit.prefault(shipped.steps.probe),
      shift: stepLimit.prefault(shipped.steps.shift),
      drain: stepLimit.prefault(shipped.steps.drain),
      stopGrace: stepLimit.prefault(shipped.steps.stopGrace),
    })
    .prefault({}),
  verify: z
    .strictObject({
      goodAnswers: count(1, 100_000).prefault(shipped.verify.goodAnswers),
      max: duration({ min: '100ms', max: '6h' }).prefault(shipped.verify.max),
      confirm: duration({ min: '1s', max: '7d' }).prefault(shipped.verify.confirm),
      confirmMax: duration({ min: '1s', max: '30d' }).prefault(shipped.verify.confirmMax),
    })
    .prefault({}),
  standby: z
    .strictObject({
      keepWarm: z.boolean().prefault(shipped.standby.keepWarm),
      proofEvery: duration({ min: '200ms', max: '1h' }).prefault(shipped.standby.proofEvery),
      proofMaxAge: duration({ min: '1s', max: '24h' }).prefault(shipped.standby.proofMaxAge),
      asFallback: z.boolean().prefault(shipped.standby.asFallback),
    })
    .prefault({}),
  keepPinsOn: z.array(tier).max(3).prefault(Array.from(shipped.keepPinsOn)),
  keepPinsAtMost: z
    .strictObject({
      immediate: duration({ max: '30d' }).prefault(shipped.keepPinsAtMost.immediate),
      'short-window': duration({ max: '30d' }).prefault(shipped.keepPinsAtMost['short-window']),
      trend: duration({ max: '30d' }).prefault(shipped.keepPinsAtMost.trend),
    })
    .prefault({}),
  approval: z
    .strictObject({
      tiers: z.array(tier).max(3).prefault([]),
      timeout: duration({ min: '1s', max: '7d' }).prefault(shipped.approval.timeout),
      onTimeout: z.enum(['hold', 'proceed']).prefault(shipped.approval.onTimeout),
    })
    .prefault({}),
  gradual: z
    .strictObject({
      stages: z.array(rate).max(10).prefault(Array.from(shipped.gradual.stages)),
      stage: duration({ min: '1s', max: '24h' }).prefault(shipped.gradual.stage),
    })
    .prefault({}),
  target: z
    .strictObject({
      order: z
        .enum(['previous', 'closest-profile', 'human-validated', 'newest-validated'])
        .prefault(shipped.target.order),
      maxDistance: amount.prefault(shipped.target.maxDistance),
      measureEvery: duration({ min: '10s', max: '1h' }).prefault(shipped.target.measureEvery),
    })
    .prefault({}),
  minimumAcceptable: versionName.nullable().prefault(null),
  copiesLoadedMax: count(1, 20).prefault(shipped.copiesLoadedMax),
  swap: z.enum(['side-by-side', 'stop-first']).prefault(shipped.swap),
  gapMax: duration({ min: '1s', max: '6h' }).prefault(shipped.gapMax),
  ledgerWait: duration({ max: '1m' }).prefault(shipped.ledgerWait),
  ledgerDown: byTier(['proceed', 'hold'], shipped.ledgerDown),
  undetermined: byTier(['rollback', 'hold'], shipped.undetermined),
  validated: z
    .strictObject({
      minAccuracy: rate.prefault(shipped.validated.minAccuracy),
      minRecall: rate.prefault(shipped.validated.minRecall),
    })
    .prefault({}),
  drills: z
    .strictObject({
      live: z.boolean().prefault(shipped.drills.live),
      maxShare: z
        .number()
        .gt(0, 'more than 0')
        .max(LIVE_DRILL_SHARE_MAX, 'at most 0.05')
        .prefault(shipped.drills.maxShare),
      maxLive: duration({ min: '1s', max: '1h' }).prefault(shipped.drills.maxLive),
    })
    .prefault({}),
  freezeWindows: z
    .array(z.strictObject({ days: z.array(count(0, 6)).min(1).max(7), fromHour: count(0, 24), toHour: count(0, 24) }))
    .max(20)
    .prefault([]),
  /** Clearing a breaker or a quarantine and revoking need a second person. */
  regulated: z.boolean().prefault(false),
  detection,
});

export type PolicyText = z.output<typeof policySchema>;
type MetricChange = z.output<typeof metricChange>;

/** What the other sections of a service say and its policy carries too. */
export interface PolicySurroundings {
  readonly sessionMaxLifetimeMs: number;
  readonly changes: ServicePolicy['changes'];
  readonly onForeignQuarantined: ServicePolicy['onForeignQuarantined'];
  readonly unverifiedOperators: ServicePolicy['unverifiedOperators'];
  readonly outside?: readonly OutsideMetric[];
  readonly caches?: readonly CachePolicy[];
  readonly pipelines?: readonly PipelinePolicy[];
  /** Null for a service on one host. */
  readonly replicas?: ReplicaPlan | null;
}

export function resolvePolicy(text: PolicyText, around: PolicySurroundings): ServicePolicy {
  const { steps, verify, standby, detection: judged } = text;
  return {
    mode: text.mode,
    cooldownMs: text.cooldown,
    breaker: { consecutiveRollbacks: text.breaker.consecutiveRollbacks, calmMs: text.breaker.calm },
    bakeMs: text.bake,
    attempts: { maxCandidates: text.attempts.maxCandidates, totalMs: text.attempts.total },
    steps: {
      validateMs: steps.validate,
      loadMs: steps.load,
      probeMs: steps.probe,
      shiftMs: steps.shift,
      drainMs: steps.drain,
      stopGraceMs: steps.stopGrace,
    },
    verify: {
      goodAnswers: verify.goodAnswers,
      verifyMaxMs: verify.max,
      confirmMs: verify.confirm,
      confirmMaxMs: verify.confirmMax,
    },
    standby: {
      // A second copy has no room where the first one must be stopped for it.
      keepWarm: standby.keepWarm && text.swap === 'side-by-side',
      proofIntervalMs: standby.proofEvery,
      proofMaxAgeMs: standby.proofMaxAge,
      asFallback: standby.asFallback && text.swap === 'side-by-side',
    },
    sessions: {
      maxLifetimeMs: around.sessionMaxLifetimeMs,
      keepPinsOn: text.keepPinsOn,
      keepPinsAtMostMs: text.keepPinsAtMost,
    },
    approval: {
      tiers: text.approval.tiers,
      timeoutMs: text.approval.timeout,
      onTimeout: text.approval.onTimeout,
    },
    gradual: { stages: text.gradual.stages, stageMs: text.gradual.stage },
    target: {
      order: text.target.order,
      maxDistance: text.target.maxDistance,
      measureEveryMs: text.target.measureEvery,
    },
    minimumAcceptable: text.minimumAcceptable,
    copiesLoadedMax: text.swap === 'stop-first' ? 1 : text.copiesLoadedMax,
    ...(text.swap === 'stop-first' && { swap: { how: text.swap, gapMaxMs: text.gapMax } }),
    ...(around.replicas ? { replicas: around.replicas } : {}),
    ...(around.caches && around.caches.length > 0 ? { caches: around.caches } : {}),
    ...(around.pipelines && around.pipelines.length > 0 ? { pipelines: around.pipelines } : {}),
    ledgerWaitMs: text.ledgerWait,
    ledgerDown: text.ledgerDown,
    undetermined: text.undetermined,
    validated: text.validated,
    changes: around.changes,
    onForeignQuarantined: around.onForeignQuarantined,
    freezeWindows: text.freezeWindows,
    // Absent where no user may see one, as in policies of older releases.
    ...(text.drills.live && {
      drills: { live: true, maxShare: text.drills.maxShare, maxLiveMs: text.drills.maxLive },
    }),
    unverifiedOperators: around.unverifiedOperators,
    ...(text.regulated ? { regulated: true } : {}),
    detection: {
      metrics: resolveMetrics(judged.metrics as Readonly<Record<string, MetricChange | 'off' | undefined>>),
      ...(around.outside && around.outside.length > 0 ? { outside: around.outside } : {}),
      falseAlarmDays: judged.falseAlarmDays,
      shortWindow: { everyMs: judged.shortWindow.every, windowMs: judged.shortWindow.window },
      trend: { everyMs: judged.trend.every, minPoints: judged.trend.minPoints },
      calmMs: judged.calm,
      unmeasuredAfterMs: judged.unmeasuredAfter,
      minHistoryMs: judged.minHistory,
      estimates: judged.estimates,
      replay: { maxInputs: judged.replay.maxInputs, budgetMs: judged.replay.budget },
    },
  };
}

function resolveMetrics(changes: Readonly<Record<string, MetricChange | 'off' | undefined>>): MetricPolicy[] {
  return defaultMetrics.flatMap((metric) => {
    const change = changes[metric.metric];
    if (change === 'off') return [];
    if (change === undefined) return [metric];
    return [
      {
        ...metric,
        tier: change.tier ?? metric.tier,
        minSamples: change.minSamples ?? metric.minSamples,
        practicalMargin: change.practicalMargin ?? metric.practicalMargin,
        assumed: change.assumed === undefined ? metric.assumed : change.assumed,
        hard: change.hard ?? metric.hard,
      },
    ];
  });
}
