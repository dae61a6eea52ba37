import { DDSketch } from '@datadog/sketches-js';
import type { CountsRow } from './protocol';
import type { Storage } from './storage';
import { latencyOf } from './telemetry-recorder';

const MINUTE_MS = 60_000;
const ROWS_KEPT_MS = 48 * 3_600_000;
const MINUTES_KEPT_MS = 30 * 86_400_000;
/** Minutes folded in one turn of the event loop: a short pause for the traffic. */
const MINUTES_PER_TURN = 10;

interface StoredRow {
  readonly seq: number;
  readonly json: string;
  readonly sketch: Uint8Array | null;
}

/**
 * Folds rows older than 48 hours to one row a minute for each version, epoch and cohort, and deletes minutes and events
 * older than 30 days. Quantiles come from the merged sketches. Returns true while there is more to fold.
 */
export function foldOld(storage: Storage, service: string, nowMs: number): boolean {
  const before = Math.floor((nowMs - ROWS_KEPT_MS) / MINUTE_MS) * MINUTE_MS;
  const oldest = storage.prepare(
    "SELECT from_ms FROM rows WHERE service = ? AND kind = 'counts' AND from_ms < ? ORDER BY from_ms LIMIT 1",
  );
  let folded = 0;
  for (; folded < MINUTES_PER_TURN; folded += 1) {
    const first = oldest.get(service, before) as { from_ms: number } | undefined;
    if (!first) break;
    foldMinute(storage, service, Math.floor(first.from_ms / MINUTE_MS) * MINUTE_MS);
  }
  const forget = nowMs - MINUTES_KEPT_MS;
  storage.prepare('DELETE FROM minutes WHERE service = ? AND minute_ms < ?').run(service, forget);
  storage.prepare('DELETE FROM rows WHERE service = ? AND from_ms < ?').run(service, forget);
  return folded === MINUTES_PER_TURN;
}

/** One transaction: a crash in between would count a minute twice or not at all. */
function foldMinute(storage: Storage, service: string, minuteMs: number): void {
  storage.transaction(() => {
    const where = "service = ? AND kind = 'counts' AND from_ms >= ? AND from_ms < ?";
    const rows = storage
      .prepare(`SELECT seq, json, sketch FROM rows WHERE ${where} ORDER BY seq`)
      .all(service, minuteMs, minuteMs + MINUTE_MS) as StoredRow[];
    const lanes = new Map<string, { row: CountsRow; sketch: DDSketch }>();
    for (const stored of rows) {
      const row = JSON.parse(stored.json) as CountsRow;
      const key = `${row.version}|${row.epoch}|${row.cohort}`;
      const lane = lanes.get(key);
      const sketch = sketchOf(stored.sketch);
      if (!lane) {
        lanes.set(key, { row: { ...row, fromMs: minuteMs, toMs: minuteMs + MINUTE_MS }, sketch });
      } else {
        lane.sketch.merge(sketch);
        lane.row = merged(lane.row, row, lane.sketch);
      }
    }
    const insert = storage.prepare(
      'INSERT OR REPLACE INTO minutes (service, minute_ms, lane, json) VALUES (?, ?, ?, ?)',
    );
    for (const [lane, { row }] of lanes) insert.run(service, minuteMs, lane, JSON.stringify(row));
    storage.prepare(`DELETE FROM rows WHERE ${where}`).run(service, minuteMs, minuteMs + MINUTE_MS);
  });
}

function sketchOf(bytes: Uint8Array | null): DDSketch {
  return bytes ? (DDSketch.fromProto(new Uint8Array(bytes)) as DDSketch) : new DDSketch({ relativeAccuracy: 0.01 });
}

export function merged(left: CountsRow, right: CountsRow, sketch: DDSketch): CountsRow {
  const latencies = [left.latency, right.latency].filter((each) => each !== null);
  const sumMs = latencies.reduce((sum, each) => sum + each.sumMs, 0);
  const maxMs = latencies.reduce((max, each) => Math.max(max, each.maxMs), 0);
  const sessions = {
    requests: (left.sessions?.requests ?? 0) + (right.sessions?.requests ?? 0),
    begun: (left.sessions?.begun ?? 0) + (right.sessions?.begun ?? 0),
  };
  return {
    ...left,
    seq: Math.max(left.seq, right.seq),
    requests: left.requests + right.requests,
    failures: left.failures + right.failures,
    timeouts: left.timeouts + right.timeouts,
    clientErrors: left.clientErrors + right.clientErrors,
    malformed: left.malformed + right.malformed,
    repeated: left.repeated + right.repeated,
    cut: left.cut + right.cut,
    latency: latencies.length === 0 ? null : latencyOf(sketch, sumMs, maxMs),
    predicted: summed(left.predicted, right.predicted, (a, b) => a + b),
    scoreSum: left.scoreSum + right.scoreSum,
    scoreCount: left.scoreCount + right.scoreCount,
    ...(sessions.requests > 0 ? { sessions } : {}),
    ...detailed('scores', left.scores, right.scores, sum),
    labels: summed(left.labels, right.labels, (a, b) => ({ n: a.n + b.n, correct: a.correct + b.correct })),
    ...detailed('judged', left.judged, right.judged, (a, b): [number, number] => [a[0] + b[0], a[1] + b[1]]),
    ...detailed('mistaken', left.mistaken, right.mistaken, sum),
  };
}

type Detail<T> = Record<string, Record<string, T>>;

/** Rows of older releases lack them, and so does a minute of such rows. */
function detailed<K extends string, T>(
  name: K,
  left: Detail<T> | undefined,
  right: Detail<T> | undefined,
  add: (a: T, b: T) => T,
): Partial<Record<K, Detail<T>>> {
  if (left === undefined && right === undefined) return {};
  const both = summed(left ?? {}, right ?? {}, (a, b) => summed(a, b, add));
  return { [name]: both } as Record<K, Detail<T>>;
}

function sum(left: number, right: number): number {
  return left + right;
}

function summed<T>(left: Record<string, T>, right: Record<string, T>, add: (a: T, b: T) => T): Record<string, T> {
  const result = new Map(Object.entries(left));
  for (const [key, value] of Object.entries(right)) {
    const before = result.get(key);
    result.set(key, before === undefined ? value : add(before, value));
  }
  return Object.fromEntries(result);
}
