import { assessMemory, initialMemory, stepMemory, type MemoryState } from '../../domain/detection/memory-leak';
import type { Verdict } from '../../domain/detection/types';
import type { DetectionPolicy, MetricPolicy } from '../../domain/policy';
import type { TierReading } from '../../workflows/contract/activities';

export const MEMORY = 'memory';
/** The watch looks every 5 s; a look that comes a little early must not be left out. */
const FIRST_STEP_MS = 4_000;

/** One look at a running copy: what it holds, and where it ends. */
export interface MemorySeen {
  readonly instance: string;
  readonly bytes: number;
  readonly limitBytes: number;
  /** Where the limit comes from, in words. */
  readonly limitOf: string;
}

/** Growth of one copy since it began to serve; another copy begins anew. */
export interface MemoryChart {
  readonly seen: Omit<MemorySeen, 'bytes'>;
  readonly state: MemoryState;
  readonly alarm: { readonly id: string } | null;
}

export function memoryMetric({ metrics }: DetectionPolicy): MetricPolicy | null {
  return metrics.find(({ metric }) => metric === MEMORY) ?? null;
}

export function foldMemory(before: MemoryChart | null, seen: MemorySeen, atMs: number): MemoryChart {
  const { bytes, ...rest } = seen;
  const same = before?.seen.instance === seen.instance;
  const state = same ? before.state : initialMemory();
  return {
    seen: rest,
    state: stepMemory(state, { limitBytes: seen.limitBytes, firstStepMs: FIRST_STEP_MS }, { atMs, value: bytes }),
    alarm: same ? before.alarm : null,
  };
}

export function memoryVerdict(
  { seen, state }: MemoryChart,
  metric: MetricPolicy,
  nowMs: number,
  policy: DetectionPolicy,
): Verdict {
  return assessMemory(
    state,
    { limitBytes: seen.limitBytes, minSamples: metric.minSamples },
    {
      metric: MEMORY,
      tier: metric.tier,
      baseline: `its own growth since the copy began to serve; the limit is ${seen.limitOf}`,
      nowMs,
      staleMs: policy.unmeasuredAfterMs,
    },
  );
}

export function memoryReading(
  chart: MemoryChart | null,
  metric: MetricPolicy,
  nowMs: number,
  policy: DetectionPolicy,
): TierReading {
  const base = { tier: metric.tier, metric: MEMORY, at: nowMs };
  if (chart === null) return { ...base, kind: 'unmeasured', observed: null, expected: null, limit: null, samples: 0 };
  const { kind, observed, expected, ucl, samples } = memoryVerdict(chart, metric, nowMs, policy);
  return { ...base, kind: chart.alarm ? 'degraded' : kind, observed, expected, limit: ucl, samples };
}

export function unpackMemory(value: unknown): MemoryChart | null {
  if (typeof value !== 'object' || value === null || !('seen' in value) || !('state' in value)) return null;
  return value as MemoryChart;
}
