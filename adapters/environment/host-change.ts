import type { HostReading } from './host-readings';

export type HostMetric = 'cpu' | 'memory' | 'disk';

/**
 * When a state of the machine counts as changed: it is bad in itself (`limit`), and it has moved by at least `margin` from
 * its own history. A machine that is always busy has not changed; one that became a little busier has no problem.
 */
export interface HostRule {
  readonly limit: number;
  readonly margin: number;
}
export type HostRules = Readonly<Record<HostMetric, HostRule>>;

export const DEFAULT_HOST_RULES: HostRules = {
  /** Busy share: more than 95 %, and 25 points above before. */
  cpu: { limit: 0.95, margin: 0.25 },
  /** Available share: less than 8 %, and 10 points below before. */
  memory: { limit: 0.08, margin: 0.1 },
  /** Free share: less than 3 %, and 2 points below before. */
  disk: { limit: 0.03, margin: 0.02 },
};

export interface HostFinding {
  readonly metric: HostMetric;
  readonly state: 'same' | 'changed' | 'unmeasured';
  /** Medians; null where there is none. */
  readonly recent: number | null;
  readonly before: number | null;
  readonly readings: { readonly recent: number; readonly before: number };
}

/** Fewer readings than this say nothing. */
export const MIN_RECENT = 3;
export const MIN_BEFORE = 12;

/**
 * The readings since a moment against those before it, by their medians: one spike is no change. The newest ones count by
 * themselves too: a moment that was set a minute back, to be sure, must not hide what began seconds ago. Without enough of a
 * history `same` is said only of what is within its limit, over all the readings and in the newest.
 */
export function compareHost(readings: readonly HostReading[], sinceMs: number, rules: HostRules): HostFinding[] {
  const values: Record<HostMetric, (reading: HostReading) => number | null> = {
    cpu: (reading) => reading.cpuBusy,
    memory: (reading) => reading.memoryAvailable,
    disk: (reading) => reading.diskFree,
  };
  return (Object.keys(values) as HostMetric[]).map((metric) => {
    const known = (which: (reading: HostReading) => boolean): number[] =>
      readings
        .filter(which)
        .map(values[metric])
        .filter((value) => value !== null);
    const after = known((reading) => reading.atMs >= sinceMs);
    const earlier = known((reading) => reading.atMs < sinceMs);
    const counted = { recent: after.length, before: earlier.length };
    const recent = median(after);
    const before = median(earlier);
    const finding = { metric, recent, before, readings: counted };
    const { limit, margin } = rules[metric];
    const bad = (value: number): boolean => (metric === 'cpu' ? value > limit : value < limit);
    if (recent === null || after.length < MIN_RECENT) return { ...finding, state: 'unmeasured' };
    const now = median(after.slice(-MIN_RECENT)) ?? recent;
    if (before === null || earlier.length < MIN_BEFORE) {
      // What is not bad has not changed for the worse, whatever it was before; what is bad may always have been.
      return { ...finding, state: bad(recent) || bad(now) ? 'unmeasured' : 'same' };
    }
    const changed = [recent, now].find(
      (value) => bad(value) && (metric === 'cpu' ? value - before : before - value) >= margin,
    );
    return changed === undefined ? { ...finding, state: 'same' } : { ...finding, recent: changed, state: 'changed' };
  });
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
