import { buildVerdict, clockText } from '../../domain/detection/verdict';
import type { Verdict } from '../../domain/detection/types';
import type { EventRow } from '../../gateway/protocol';

export const LIVE_BACKEND = 'live-backend';

/** The router's fallback as the watch has seen it begin. */
export interface FallbackSeen {
  readonly id: string;
  readonly sinceMs: number;
  readonly epoch: number;
}

/** The router found nobody who answers for the live version: the hardest verdict there is, on one observation. */
export function liveBackendVerdict(version: string, row: EventRow): Verdict {
  return buildVerdict({
    kind: 'degraded',
    tier: 'immediate',
    metric: LIVE_BACKEND,
    hard: true,
    observed: 1,
    expected: 0,
    ucl: 0,
    unit: 'ratio',
    samples: 1,
    sinceMs: row.fromMs,
    onsetMs: row.fromMs,
    onsetLowMs: row.fromMs,
    onsetHighMs: row.fromMs,
    statistic: { name: 'fallback of the router', value: 1, threshold: 1, falseAlarmDays: null },
    sentence:
      `the router found no answer from ${version} and serves by ${row.version ?? 'its fallback'} ` +
      `since ${clockText(row.fromMs)}; ${row.detail}`,
    baseline: 'the route: its primary answers',
  });
}
