import type { CountsRow } from '../../gateway/protocol';
import type { Baseline } from '../../workflows/contract/activities';
import { sfc32 } from '../calibration/random';

export const SERVICE = 'cost';
export const LIVE = '2.0';
export const HOUR_MS = 3_600_000;
export const BEGIN_MS = Date.UTC(2026, 0, 5);

/** With error, time-out and malformed rate, accuracy and latency they make 20 metrics. */
const CLASSES = Array.from({ length: 15 }, (_, index) => `class-${String(index + 1).padStart(2, '0')}`);
const REQUESTS = 20;
const ERROR_RATE = 0.002;
const RECALL = 0.95;

/** Healthy one-second rows as the gateway writes them: every metric of the policy moves in every row. */
export function rowsBetween(fromMs: number, toMs: number, seed: number): CountsRow[] {
  const uniform = sfc32(seed, Math.floor(fromMs / 1_000));
  const count = Math.max(0, Math.floor((toMs - fromMs) / 1_000));
  return Array.from({ length: count }, (_, second) => {
    const from = fromMs + second * 1_000;
    const p95Ms = 60 * Math.exp(0.2 * (uniform() - 0.5));
    const labels = Object.fromEntries(
      CLASSES.map((label) => [label, { n: 1, correct: uniform() < RECALL ? 1 : 0 }] as const),
    );
    return {
      kind: 'counts',
      seq: Math.floor((from - BEGIN_MS) / 1_000) + 1,
      fromMs: from,
      toMs: from + 1_000,
      version: LIVE,
      epoch: 1,
      cohort: 'live',
      requests: REQUESTS,
      failures: uniform() < REQUESTS * ERROR_RATE ? 1 : 0,
      timeouts: 0,
      clientErrors: 0,
      malformed: 0,
      repeated: 0,
      cut: 0,
      latency: { count: REQUESTS, sumMs: 30 * REQUESTS, p50Ms: 25, p95Ms, p99Ms: 1.2 * p95Ms, maxMs: 1.5 * p95Ms },
      predicted: {},
      scoreSum: 0,
      scoreCount: 0,
      labels,
    } satisfies CountsRow;
  });
}

/** What good looked like: every metric known from many trials. */
export function baselineOf(): Baseline {
  const source = 'good periods';
  const rate = (value: number): Baseline['metrics'][string] => ({ value, n: 50_000, spread: null, source });
  const classes = CLASSES.map((label) => `recall:${label}`);
  return {
    version: LIVE,
    metrics: {
      'error-rate': rate(ERROR_RATE),
      'timeout-rate': rate(0.001),
      'malformed-rate': rate(0.001),
      accuracy: rate(RECALL),
      ...Object.fromEntries(classes.map((name) => [name, rate(RECALL)])),
      'latency-p95': { value: 60, n: 300, spread: 3, source },
    },
    ratePerSecond: Object.fromEntries(['error-rate', 'accuracy', ...classes].map((name) => [name, 1])),
    periods: [],
    words: source,
  };
}
