import type { OutsideMetrics, Telemetry } from '../../activities/ports';
import type { OutsideValue } from '../../domain/detection/outside-metric';
import type { CountsRow, TelemetryRow } from '../../gateway/protocol';

/** What was recorded of one service: rows in the order in which they were known, values of metrics from outside. */
export interface Recorded {
  readonly rows: readonly TelemetryRow[];
  readonly values: ReadonlyMap<string, readonly OutsideValue[]>;
  /** Where it comes from, and what of it could not be read, in words. */
  readonly notes: readonly string[];
}

/**
 * The record behind the ports that the assessments read, as it was known at `clock.now`: nothing that came later can be
 * seen, whatever an assessment asks for.
 */
export function replayedPorts(
  { rows, values }: Recorded,
  clock: { readonly now: number },
): { readonly telemetry: Pick<Telemetry, 'window'>; readonly outside: OutsideMetrics } {
  const counts = rows
    .filter((row): row is CountsRow => row.kind === 'counts')
    .sort((left, right) => left.fromMs - right.fromMs);
  return {
    telemetry: {
      window: async (_service, fromMs, toMs) =>
        counts.slice(indexOf(counts, fromMs), indexOf(counts, toMs)).filter((row) => row.toMs <= clock.now),
    },
    outside: {
      values: async (_service, metric, fromMs, toMs, limit) =>
        (values.get(metric) ?? [])
          .filter(({ atMs }) => atMs >= fromMs && atMs < Math.min(toMs, clock.now))
          .slice(-limit),
    },
  };
}

/** The first row that begins at or after the moment. */
function indexOf(rows: readonly CountsRow[], atMs: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.fromMs ?? Infinity) < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A stretch of time in which one version had the traffic. */
export interface Segment {
  readonly version: string;
  readonly epoch: number;
  readonly fromMs: number;
}

const LOOK_BACK_MS = 60_000;
/** The version of a record that names none. */
export const RECORDED = 'recorded';

/**
 * Who was live when, by the traffic itself: another version is live from its first answer on, once it has answered more
 * than half of the requests of the last minute. A share of half or less is no change. In a record without requests the
 * labels and latencies stand for them.
 */
export function segmentsOf(rows: readonly TelemetryRow[], fromMs: number): Segment[] {
  const counts = rows.filter((row): row is CountsRow => row.kind === 'counts' && row.cohort === 'live');
  const byRequests = counts.some(({ requests }) => requests > 0);
  const weightOf = (row: CountsRow): number => (byRequests ? row.requests : spokenFor(row));
  const segments: Segment[] = [];
  let recent: CountsRow[] = [];
  for (const row of counts) {
    if (weightOf(row) <= 0) continue;
    recent = [...recent.filter(({ toMs }) => toMs > row.toMs - LOOK_BACK_MS), row];
    const current = segments.at(-1);
    if (current?.version === row.version) continue;
    const own = recent.filter(({ version }) => version === row.version);
    const sum = (some: readonly CountsRow[]): number => some.reduce((all, one) => all + weightOf(one), 0);
    if (current !== undefined && sum(own) <= sum(recent) / 2) continue;
    const began = current === undefined ? fromMs : Math.max(current.fromMs, own[0]?.fromMs ?? row.fromMs);
    segments.push({ version: row.version, epoch: row.epoch, fromMs: began });
  }
  return segments.length > 0 ? segments : [{ version: RECORDED, epoch: 1, fromMs }];
}

function spokenFor({ labels, latency }: CountsRow): number {
  return Object.values(labels).reduce((sum, { n }) => sum + n, latency?.count ?? 0);
}
