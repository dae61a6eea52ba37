import type { CountsRow, EventRow, TelemetryRow } from '../../../gateway/protocol';
import type { Baseline, WatchInput } from '../../../workflows/contract/activities';
import { resolvePolicy, policySchema } from '../../../workers/configuration/policy-schema';

export const startMs = Date.UTC(2026, 4, 1, 12);

export const policy = resolvePolicy(policySchema.parse({}), {
  sessionMaxLifetimeMs: 0,
  changes: 'lastgood',
  onForeignQuarantined: 'alarm',
  unverifiedOperators: 'refuse',
}).detection;

const known = (value: number, n: number): Baseline['metrics'][string] => ({
  value,
  n,
  spread: null,
  source: 'good hours of 1.2',
});

export const baseline: Baseline = {
  version: '1.2',
  metrics: {
    'error-rate': known(0.001, 50_000),
    'timeout-rate': known(0.001, 50_000),
    'malformed-rate': known(0, 50_000),
    accuracy: known(0.95, 2_000),
    'recall:bulk': known(0.94, 700),
    'recall:ham': known(0.96, 1_300),
    'latency-p95': known(40, 200),
  },
  ratePerSecond: { 'error-rate': 20, accuracy: 5, 'recall:bulk': 2, 'recall:ham': 3 },
  periods: [],
  words: 'good hours of 1.2',
};

export function watchInput(change: Partial<WatchInput> = {}): WatchInput {
  return {
    service: 'mail-triage',
    version: '1.3',
    model: 'mail',
    epoch: 7,
    routedAt: startMs,
    deployedAt: startMs,
    standby: null,
    cursor: 0,
    charts: {},
    standing: [],
    baseline,
    policy,
    returnAfterMs: 60_000,
    ...change,
  };
}

export function counts(seq: number, change: Partial<CountsRow> = {}): CountsRow {
  const fromMs = change.fromMs ?? startMs + seq * 1_000;
  return {
    kind: 'counts',
    seq,
    fromMs,
    toMs: fromMs + 1_000,
    version: '1.3',
    epoch: 7,
    cohort: 'live',
    requests: 20,
    failures: 0,
    timeouts: 0,
    clientErrors: 0,
    malformed: 0,
    repeated: 0,
    cut: 0,
    latency: null,
    predicted: {},
    scoreSum: 0,
    scoreCount: 0,
    labels: {},
    ...change,
  };
}

export function latency(count: number, p95Ms: number): CountsRow['latency'] {
  return { count, sumMs: count * p95Ms * 0.5, p50Ms: p95Ms / 2, p95Ms, p99Ms: p95Ms * 1.2, maxMs: p95Ms * 1.5 };
}

export function event(seq: number, kind: EventRow['event'], change: Partial<EventRow> = {}): EventRow {
  const fromMs = startMs + seq * 1_000;
  return { kind: 'event', seq, fromMs, toMs: fromMs, event: kind, version: '1.2', epoch: 7, detail: '', ...change };
}

/** Numbers the rows of a function of their place. */
export function rows<R extends TelemetryRow>(count: number, make: (seq: number) => R): R[] {
  return Array.from({ length: count }, (_, index) => make(index + 1));
}
