import { z } from 'zod';
import type { RouteChanged } from '../contract/signals';
import { shared } from '../contract/shared';

/**
 * What the service says of its route, read as `unknown`: a raw signal from the Temporal UI may carry anything, and a throw
 * in a handler would wedge the workflow for ever. Only what detection relies on is checked.
 */
const schema = shared('route-changed', () => {
  const backend = z.looseObject({ address: z.string(), instance: z.string(), digest: z.string() });
  const detection = z.looseObject({
    metrics: z.array(z.looseObject({ metric: z.string(), tier: z.string(), minSamples: z.number() })),
    shortWindow: z.looseObject({ everyMs: z.number().min(1), windowMs: z.number().min(1) }),
    trend: z.looseObject({ everyMs: z.number().min(1) }),
    calmMs: z.number(),
    unmeasuredAfterMs: z.number(),
    minHistoryMs: z.number(),
    replay: z.looseObject({ maxInputs: z.number(), budgetMs: z.number() }),
  });
  const instant = z.number().nullable();
  return z.looseObject({
    incarnation: z.number().optional(),
    epoch: z.int(),
    version: z.string(),
    model: z.string(),
    routedAt: z.number(),
    deployedAt: instant,
    bakeUntil: instant,
    judgedBy: z.string(),
    cooldownUntil: instant,
    inIncident: z.boolean(),
    drill: z.string().nullable(),
    confirming: z.looseObject({ metric: z.string() }).nullable(),
    standby: z.looseObject({ version: z.string(), backend }).nullable(),
    copies: z.array(backend).max(20).optional(),
    policy: z.looseObject({ standby: z.looseObject({ proofIntervalMs: z.number().min(1) }), detection }),
  });
});

/** Null for what cannot be read; the problem in words. */
export function readRoute(input: unknown): { route: RouteChanged } | { problem: string } {
  const parsed = schema.safeParse(input);
  if (parsed.success) return { route: parsed.data as unknown as RouteChanged };
  const problem = parsed.error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join('.') || '(message)'}: ${issue.message}`)
    .join('; ');
  return { problem };
}
