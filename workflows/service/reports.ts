import { z } from 'zod';
import type { ServiceEvent } from '../../domain/service/events';
import { selectorSchema } from '../contract/selector';
import { shared } from '../contract/shared';
import { signalNames } from '../contract/signals';

/**
 * Reports of our own workflows, read as `unknown` all the same: a raw signal from the Temporal UI may carry anything. A
 * throw in a handler would wedge the workflow for ever, and a value of the wrong shape that enters the state would fail
 * every event after it. Everything that the rules read is checked; what a newer worker adds passes.
 */
const schemas = shared('reports', () => {
  const word = z.string().max(300);
  const text = z.string().max(20_000);
  /** Milliseconds since the epoch that a `Date` can hold. */
  const instant = z.number().min(0).max(8.64e15);
  const epoch = z.int().min(0);
  const measure = z.number().nullable();
  const tier = z.enum(['immediate', 'short-window', 'trend']);
  const kind = z.enum(['ok', 'degraded', 'inconclusive', 'unmeasured']);

  const backend = z.looseObject({ address: word, instance: word, digest: word, selector: selectorSchema.optional() });
  const record = z.looseObject({
    service: word,
    epoch,
    primary: word,
    share: z.looseObject({ version: word, weight: z.number(), until: instant }).optional(),
    pins: z.array(z.looseObject({ version: word, until: instant })).max(100),
    fallback: word.optional(),
    backends: z.record(z.string(), z.array(backend).max(20)),
  });
  const serving = z.looseObject({
    configured: word.nullable(),
    address: z.string().regex(/^https?:\/\/[^/\s]+$/),
    model: word,
    key: z.string().min(1).max(200),
    version: word.nullable(),
    means: z.enum([
      'reported-digest',
      'model-metadata',
      'response-header',
      'placed-files',
      'probe-fingerprint',
      'none',
    ]),
  });
  const verdict = z.looseObject({
    kind,
    tier,
    metric: word,
    hard: z.boolean(),
    observed: measure,
    expected: measure,
    ucl: measure,
    lcl: measure,
    unit: word,
    samples: z.number(),
    sinceMs: instant.nullable(),
    onsetMs: instant.nullable(),
    onsetLowMs: instant.nullable(),
    onsetHighMs: instant.nullable(),
    statistic: z.looseObject({ name: word, value: z.number(), threshold: z.number(), falseAlarmDays: measure }),
    sentence: text,
    baseline: text,
  });
  const copy = z.looseObject({ version: word, instance: word });
  const what = z.discriminatedUnion('type', [
    z.looseObject({ type: z.literal('began'), step: word, version: word.nullable(), deadlineAt: instant }),
    z.looseObject({
      type: z.literal('succeeded'),
      step: word,
      version: word,
      ms: z.number(),
      note: text,
      leftOut: z.array(word).max(64).optional(),
    }),
    z.looseObject({ type: z.literal('dropped'), version: word, step: word, why: text, next: word.nullable() }),
    z.looseObject({ type: z.literal('shifted'), record, note: text, at: instant.optional() }),
    z.looseObject({ type: z.literal('waiting'), step: word, why: text, primary: word }),
    z.looseObject({
      type: z.literal('ended'),
      outcome: z.enum(['settled', 'failed', 'cancelled']),
      record: record.nullable(),
      why: text,
      idle: z.array(copy).max(100),
      verified: z.looseObject({ goodAnswers: z.number(), ms: z.number(), byProbesOnly: z.boolean() }).nullable(),
    }),
  ]);

  const drilled = z.discriminatedUnion('type', [
    z.looseObject({ type: z.literal('loaded'), backend: backend.nullable() }),
    z.looseObject({
      type: z.literal('detected'),
      tier,
      metric: word,
      sentence: text,
      onsetAt: instant.nullable(),
      detectedAt: instant,
    }),
    z.looseObject({
      type: z.literal('ended'),
      outcome: z.enum(['passed', 'failed', 'unmeasured', 'refused']),
      why: text,
      times: z.looseObject({
        onsetAt: instant.nullable(),
        detectedAt: instant.nullable(),
        shiftedAt: instant.nullable(),
        restoredAt: instant.nullable(),
      }),
      answers: z.number(),
      slower: text.nullable(),
      evidence: word.nullable(),
    }),
  ]);

  return {
    [signalNames.degradationBegan]: z.looseObject({
      id: word,
      epoch,
      version: word,
      verdict,
      attribution: z.enum(['model', 'environment', 'undetermined']),
      reasons: z.array(text).max(50),
      suppressed: z.boolean(),
    }),
    [signalNames.degradationEnded]: z.looseObject({ id: word, epoch, at: instant, sentence: text }),
    [signalNames.tiersReported]: z.looseObject({
      epoch,
      version: word,
      at: instant,
      tiers: z
        .array(
          z.looseObject({
            tier,
            metric: word,
            kind,
            observed: measure,
            expected: measure,
            limit: measure,
            samples: z.number(),
            at: instant,
          }),
        )
        .max(500),
      unmeasuredSince: instant.nullable(),
      environment: z.array(text).max(100),
    }),
    [signalNames.standbyReported]: z.looseObject({
      version: word,
      instance: word,
      ok: z.boolean(),
      at: instant,
      why: text,
    }),
    [signalNames.liveReported]: z.looseObject({
      version: word,
      instances: z.array(word).max(20),
      condition: z.enum(['answers', 'silent', 'dead']),
      at: instant,
      why: text,
      down: z.array(word).max(20).optional(),
    }),
    [signalNames.routeObserved]: z.looseObject({
      observed: z.looseObject({
        readAt: instant.optional(),
        record: record.nullable(),
        floor: epoch,
        fallback: z.looseObject({ version: word, since: instant, epoch, reason: text }).nullable(),
        differing: z
          .array(z.looseObject({ router: word, reached: z.boolean(), epoch: epoch.nullable(), why: text }))
          .max(16)
          .optional(),
        serving: serving.nullish(),
      }),
      at: instant,
    }),
    [signalNames.stepReported]: z.looseObject({ operation: word, no: z.int().min(1), at: instant, what }),
    [signalNames.drillReported]: z.looseObject({ drill: word, no: z.int().min(1), at: instant, what: drilled }),
    [signalNames.retirementEnded]: z.looseObject({
      version: word,
      instance: word,
      outcome: z.enum(['stopped', 'spared', 'failed']),
      at: instant,
      why: text,
    }),
  } as const;
});

export type ReportName = keyof typeof schemas;
export const reportNames = Object.keys(schemas) as ReportName[];

const eventTypes: Readonly<Record<ReportName, ServiceEvent['type']>> = {
  degradationBegan: 'degradation-began',
  degradationEnded: 'degradation-ended',
  tiersReported: 'tiers-reported',
  standbyReported: 'standby-reported',
  liveReported: 'live-reported',
  routeObserved: 'route-observed',
  stepReported: 'step-reported',
  drillReported: 'drill-reported',
  retirementEnded: 'retirement-ended',
};

/** The event of a report; one that cannot be read is an event too. */
export function readReport(name: ReportName, input: unknown): ServiceEvent {
  const parsed = schemas[name].safeParse(input);
  if (parsed.success) return { type: eventTypes[name], report: parsed.data } as unknown as ServiceEvent;
  const problem = parsed.error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join('.') || '(report)'}: ${issue.message}`)
    .join('; ');
  return { type: 'unreadable', name, problem };
}
