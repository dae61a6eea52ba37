import { z } from 'zod';
import type { ServiceEvent } from '../../domain/service/events';
import { signalNames } from '../contract/signals';

/**
 * Reports of our own workflows, read as `unknown` all the same: a raw signal from the Temporal UI may carry anything,
 * and a throw in a handler would wedge the workflow for ever. Only what the reducer relies on is checked.
 */
const verdict = z.looseObject({
  kind: z.enum(['ok', 'degraded', 'inconclusive', 'unmeasured']),
  tier: z.enum(['immediate', 'short-window', 'trend']),
  metric: z.string(),
  hard: z.boolean(),
  sentence: z.string(),
});
const route = z.looseObject({ epoch: z.int(), primary: z.string(), pins: z.array(z.unknown()), backends: z.object() });
const schemas = {
  [signalNames.degradationBegan]: z.looseObject({
    id: z.string(),
    epoch: z.int(),
    version: z.string(),
    verdict,
    attribution: z.enum(['model', 'environment', 'undetermined']),
    reasons: z.array(z.string()),
    suppressed: z.boolean(),
  }),
  [signalNames.degradationEnded]: z.looseObject({ id: z.string(), at: z.number(), sentence: z.string() }),
  [signalNames.tiersReported]: z.looseObject({
    tiers: z.array(z.unknown()),
    unmeasuredSince: z.number().nullable(),
    environment: z.array(z.string()),
  }),
  [signalNames.standbyReported]: z.looseObject({
    instance: z.string(),
    ok: z.boolean(),
    at: z.number(),
    why: z.string(),
  }),
  [signalNames.routeObserved]: z.looseObject({
    observed: z.looseObject({ record: route.nullable(), floor: z.int(), fallback: z.unknown() }),
  }),
  [signalNames.stepReported]: z.looseObject({
    operation: z.string(),
    no: z.int(),
    at: z.number(),
    what: z.looseObject({ type: z.enum(['began', 'succeeded', 'dropped', 'shifted', 'waiting', 'ended']) }),
  }),
  [signalNames.retirementEnded]: z.looseObject({ version: z.string(), instance: z.string(), outcome: z.string() }),
} as const;

export type ReportName = keyof typeof schemas;
export const reportNames = Object.keys(schemas) as ReportName[];

const eventTypes: Readonly<Record<ReportName, ServiceEvent['type']>> = {
  degradationBegan: 'degradation-began',
  degradationEnded: 'degradation-ended',
  tiersReported: 'tiers-reported',
  standbyReported: 'standby-reported',
  routeObserved: 'route-observed',
  stepReported: 'step-reported',
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
