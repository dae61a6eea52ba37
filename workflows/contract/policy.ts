import { z } from 'zod';
import type { ServicePolicy } from '../../domain/policy';
import { shared } from './shared';

/**
 * The shape of a policy that a service can live with: one that lacks a field would fail every event after it. What a
 * newer controller adds passes; a field that is added to the policy is optional here, because stored histories hold
 * older ones. Values are judged where a person writes them, in the configuration.
 */
const shape = shared('policy', () => {
  const ms = z
    .number()
    .min(0)
    .max(10 * 365 * 86_400_000);
  const count = z.number().min(0).max(1_000_000);
  const tier = z.enum(['immediate', 'short-window', 'trend']);
  const eachTier = <T extends z.ZodType>(of: T): z.ZodObject<{ immediate: T; 'short-window': T; trend: T }> =>
    z.object({ immediate: of, 'short-window': of, trend: of });
  const hold = z.enum(['hold', 'proceed']);

  return z.looseObject({
    mode: z.enum(['observe', 'confirm', 'act']),
    cooldownMs: ms,
    breaker: z.looseObject({ consecutiveRollbacks: z.int().min(1), calmMs: ms }),
    bakeMs: ms,
    attempts: z.looseObject({ maxCandidates: count.min(1), totalMs: ms }),
    steps: z.looseObject({
      validateMs: ms,
      loadMs: ms,
      probeMs: ms,
      shiftMs: ms,
      drainMs: ms,
      stopGraceMs: ms,
    }),
    verify: z.looseObject({ goodAnswers: count, verifyMaxMs: ms, confirmMs: ms, confirmMaxMs: ms }),
    standby: z.looseObject({
      keepWarm: z.boolean(),
      proofIntervalMs: ms,
      proofMaxAgeMs: ms,
      asFallback: z.boolean(),
    }),
    sessions: z.looseObject({
      maxLifetimeMs: ms,
      keepPinsOn: z.array(tier),
      keepPinsAtMostMs: eachTier(ms).optional(),
    }),
    approval: z.looseObject({ tiers: z.array(tier), timeoutMs: ms, onTimeout: hold }),
    gradual: z.looseObject({ stages: z.array(z.number().min(0).max(1)), stageMs: ms }),
    target: z
      .looseObject({
        order: z.enum(['previous', 'closest-profile', 'human-validated', 'newest-validated']),
        maxDistance: z.number().min(0),
        measureEveryMs: ms,
      })
      .optional(),
    minimumAcceptable: z.string().nullable(),
    copiesLoadedMax: count,
    swap: z.looseObject({ how: z.literal('stop-first'), gapMaxMs: ms }).optional(),
    replicas: z.looseObject({ hosts: z.array(z.string().min(1)).min(1).max(64), minReplicas: count.min(1) }).optional(),
    caches: z
      .array(z.looseObject({ name: z.string(), strategy: z.enum(['invalidate', 'version-tagged', 'auto']), ttlMs: ms }))
      .min(1)
      .max(8)
      .optional(),
    pipelines: z
      .array(z.looseObject({ name: z.string().min(1), action: z.enum(['reprocess', 'flush', 'flag']) }))
      .max(16)
      .optional(),
    ledgerWaitMs: ms,
    ledgerDown: eachTier(hold),
    undetermined: eachTier(z.enum(['rollback', 'hold'])),
    validated: z.looseObject({ minAccuracy: z.number(), minRecall: z.number() }),
    changes: z.enum(['lastgood', 'external']),
    onForeignQuarantined: z.enum(['alarm', 'revert']),
    freezeWindows: z.array(z.looseObject({ days: z.array(z.number()), fromHour: z.number(), toHour: z.number() })),
    drills: z.looseObject({ live: z.boolean(), maxShare: z.number().min(0).max(1), maxLiveMs: ms }).optional(),
    unverifiedOperators: z.enum(['allow', 'refuse']),
    actKeys: z
      .array(z.string().regex(/^[0-9a-f]{64}$/))
      .max(2)
      .optional(),
    regulated: z.boolean().optional(),
    detection: z.looseObject({
      metrics: z.array(z.looseObject({ metric: z.string(), tier })),
      falseAlarmDays: z.number(),
      shortWindow: z.looseObject({ everyMs: ms, windowMs: ms }),
      trend: z.looseObject({ everyMs: ms, minPoints: count }),
      calmMs: ms,
      unmeasuredAfterMs: ms,
      signOfLifeMs: ms.min(1_000).optional(),
      minHistoryMs: ms,
      replay: z.looseObject({ maxInputs: count, budgetMs: ms }),
    }),
  } satisfies Record<keyof ServicePolicy, z.ZodType>);
});

/** The policy as it was sent: parsed, but not rebuilt. */
export const policySchema = z.custom<ServicePolicy>().superRefine((value, context) => {
  const parsed = shape.safeParse(value);
  if (parsed.success) return;
  for (const issue of parsed.error.issues.slice(0, 5))
    context.addIssue({ code: 'custom', message: issue.message, path: [...issue.path] });
});
