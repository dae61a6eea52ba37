import { assessMemory, initialMemory, stepMemory, type MemoryState } from '../../domain/detection/memory-leak';
import type { Verdict } from '../../domain/detection/types';
import type { AssessmentInput, TierReading } from '../../workflows/contract/activities';

export interface MemoryFacts {
  readonly bytes: number;
  readonly limitBytes: number;
}

export interface MemoryJudged {
  readonly state: MemoryState;
  readonly reading: TierReading;
  readonly verdict: Verdict | null;
}

/** Folds one measurement; null where the policy leaves memory out. Without a measurement the metric is unmeasured. */
export function foldMemory(input: AssessmentInput, facts: MemoryFacts | null): MemoryJudged | null {
  const metric = input.policy.metrics.find((one) => one.metric === 'memory');
  if (!metric) return null;
  const { now, policy } = input;
  const before = (input.charts['memory'] as MemoryState | undefined) ?? initialMemory();
  const params = { limitBytes: facts?.limitBytes ?? 1, minSamples: metric.minSamples };
  const state = facts ? stepMemory(before, params, { atMs: now, value: facts.bytes }) : before;
  const staleMs = 2 * policy.shortWindow.everyMs + policy.unmeasuredAfterMs;
  const found = assessMemory(facts ? state : initialMemory(), params, {
    metric: 'memory',
    tier: metric.tier,
    baseline: 'its own growth since the copy began to serve',
    nowMs: now,
    staleMs,
  });
  const { kind, observed, expected, ucl: limit, samples } = found;
  const reading: TierReading = {
    tier: metric.tier,
    metric: 'memory',
    kind,
    observed,
    expected,
    limit,
    samples,
    at: now,
  };
  return { state, reading, verdict: kind === 'degraded' ? found : null };
}
