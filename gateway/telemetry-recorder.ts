import { DDSketch } from '@datadog/sketches-js';
import { ScoreCounts } from './score-counts';
import type { NewCountsRow, NewRow, TelemetryStore } from './telemetry-store';

const ROW_MS = 1_000;
const BAD_NEWS_MS = 100;
/** Classes of one row beyond this number are counted together: the class comes from the model's answer, it is input. */
const CLASSES_MAX = 200;
const OTHER_CLASS = '(other)';

/** Upper bounds in ms of the latency histogram on `/metrics`. */
export const LATENCY_BUCKETS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

/** What one row counts: a version under one epoch in one cohort. */
export interface Counted {
  readonly version: string;
  readonly epoch: number;
  readonly cohort: 'live' | 'drill';
  /** `version|epoch|cohort`, made once. */
  readonly key: string;
}

export function counted(version: string, epoch: number, cohort: 'live' | 'drill'): Counted {
  return { version, epoch, cohort, key: `${version}|${epoch}|${cohort}` };
}

/** The open row of one {@link Counted}. */
export class OpenRow {
  requests = 0;
  failures = 0;
  timeouts = 0;
  clientErrors = 0;
  malformed = 0;
  repeated = 0;
  cut = 0;
  scoreSum = 0;
  scoreCount = 0;
  readonly sketch = new DDSketch({ relativeAccuracy: 0.01 });
  readonly buckets = new Array<number>(LATENCY_BUCKETS_MS.length + 1).fill(0);
  readonly predicted = new Map<string, number>();
  readonly labels = new Map<string, { n: number; correct: number }>();
  readonly confidences = new ScoreCounts();
  labelDelaySumMs = 0;
  labelDelayCount = 0;
  sessionRequests = 0;
  sessionsBegun = 0;

  constructor(readonly of: Counted) {}

  latency(ms: number): void {
    this.sketch.accept(ms);
    let bucket = 0;
    while (bucket < LATENCY_BUCKETS_MS.length && ms > (LATENCY_BUCKETS_MS[bucket] as number)) bucket += 1;
    (this.buckets[bucket] as number) += 1;
  }
}

/**
 * The hot counters of one service. A row is closed at most one second after it opened, or 100 ms after its first
 * failure; closing writes once for all that happened, so a request itself costs no I/O.
 */
export class TelemetryRecorder {
  private open = new Map<string, OpenRow>();
  private openedAt = 0;
  private timer: NodeJS.Timeout | null = null;
  private badNews = false;

  constructor(
    private readonly store: TelemetryStore,
    private readonly onClosed: (row: OpenRow) => void,
  ) {}

  answered(of: Counted, status: number, ms: number): OpenRow {
    const row = this.row(of);
    row.requests += 1;
    row.latency(ms);
    if (status >= 500) {
      row.failures += 1;
      this.hurry();
    } else if (status >= 400) {
      row.clientErrors += 1;
    }
    return row;
  }

  predicted(of: Counted, predicted: string | null, score: number | null, formExpected: boolean): void {
    const row = this.row(of);
    if (predicted !== null) {
      const name = row.predicted.has(predicted) || row.predicted.size < CLASSES_MAX ? predicted : OTHER_CLASS;
      row.predicted.set(name, (row.predicted.get(name) ?? 0) + 1);
      if (score !== null) row.confidences.answered(predicted, score);
    } else if (formExpected) {
      row.malformed += 1;
      row.failures += 1;
      this.hurry();
    }
    if (score !== null) {
      row.scoreSum += score;
      row.scoreCount += 1;
    }
  }

  /** A request of a session is being answered; it counts as a request when its fate is known. */
  inSession(of: Counted, begun: boolean): void {
    const row = this.row(of);
    row.sessionRequests += 1;
    if (begun) row.sessionsBegun += 1;
  }

  failed(of: Counted): void {
    const row = this.row(of);
    row.requests += 1;
    row.failures += 1;
    this.hurry();
  }

  timedOut(of: Counted): void {
    const row = this.row(of);
    row.requests += 1;
    row.timeouts += 1;
    this.hurry();
  }

  /** The client left before the first byte: not the version's fault. */
  abandoned(of: Counted): void {
    const row = this.row(of);
    row.requests += 1;
    row.clientErrors += 1;
  }

  cut(of: Counted): void {
    const row = this.row(of);
    row.requests += 1;
    row.cut += 1;
    this.hurry();
  }

  repeated(of: Counted): void {
    this.row(of).repeated += 1;
    this.hurry();
  }

  label(of: Counted, label: string, n: 1 | -1, correct: boolean, delayMs: number): void {
    const row = this.row(of);
    const { labels } = row;
    row.labelDelaySumMs += delayMs;
    row.labelDelayCount += 1;
    const name = labels.has(label) || labels.size < CLASSES_MAX ? label : OTHER_CLASS;
    const entry = labels.get(name) ?? { n: 0, correct: 0 };
    entry.n += n;
    if (correct) entry.correct += n;
    labels.set(name, entry);
  }

  /** Beside {@link label}, where the answer had a score: what the label says of its class and score. */
  judged(of: Counted, predicted: string, score: number, label: string, n: 1 | -1): void {
    this.row(of).confidences.labelled(predicted, score, label, n);
  }

  /**
   * Closes the open rows now. With `also` the rows and what it writes are one transaction, and a database that refuses
   * throws here; the rows then wait for the next close.
   */
  close(also?: () => void): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.badNews = false;
    const rows = [...this.open.values()];
    this.open = new Map();
    const toMs = Date.now();
    const closed = rows.map((row) => closedRow(row, this.openedAt, toMs));
    for (const row of rows) this.onClosed(row);
    if (!also) {
      this.store.offer(closed);
      return;
    }
    this.store.offer([]);
    try {
      this.store.append(closed, also);
    } catch (error) {
      // The labels were not stored, their sender will send them again: they must not be counted now.
      this.store.offer(closed.map(withoutLabels));
      throw error;
    }
  }

  /** All that was counted up to this moment is in closed rows. */
  writtenThrough(nowMs: number): number {
    return this.open.size > 0 ? this.openedAt : nowMs;
  }

  private row(of: Counted): OpenRow {
    let row = this.open.get(of.key);
    if (!row) {
      row = new OpenRow(of);
      if (this.open.size === 0) {
        this.openedAt = Date.now();
        this.schedule(ROW_MS);
      }
      this.open.set(of.key, row);
    }
    return row;
  }

  private hurry(): void {
    if (this.badNews) return;
    this.badNews = true;
    const open = Date.now() - this.openedAt;
    if (open < ROW_MS - BAD_NEWS_MS) this.schedule(BAD_NEWS_MS);
  }

  private schedule(ms: number): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => this.close(), ms);
  }
}

function closedRow(row: OpenRow, fromMs: number, toMs: number): NewRow {
  const { sketch } = row;
  const has = sketch.count > 0;
  const counts: NewCountsRow = {
    kind: 'counts',
    fromMs,
    toMs,
    version: row.of.version,
    epoch: row.of.epoch,
    cohort: row.of.cohort,
    requests: row.requests,
    failures: row.failures,
    timeouts: row.timeouts,
    clientErrors: row.clientErrors,
    malformed: row.malformed,
    repeated: row.repeated,
    cut: row.cut,
    latency: has ? latencyOf(sketch, sketch.sum, sketch.max) : null,
    predicted: Object.fromEntries(row.predicted),
    scoreSum: row.scoreSum,
    scoreCount: row.scoreCount,
    ...row.confidences.ofAnswers(),
    labels: Object.fromEntries(row.labels),
    ...(row.sessionRequests > 0 ? { sessions: { requests: row.sessionRequests, begun: row.sessionsBegun } } : {}),
    ...row.confidences.ofLabels(),
    ...(row.labelDelayCount > 0 ? { labelDelayMs: row.labelDelaySumMs / row.labelDelayCount } : {}),
  };
  return has ? { row: counts, sketch: sketch.toProto() } : { row: counts };
}

function withoutLabels({ row, ...rest }: NewRow): NewRow {
  if (row.kind !== 'counts') return { ...rest, row };
  const { judged: _judged, mistaken: _mistaken, ...counts } = row;
  return { ...rest, row: { ...counts, labels: {} } };
}

type Sketch = Pick<DDSketch, 'count' | 'getValueAtQuantile'>;

export function latencyOf(sketch: Sketch, sumMs: number, maxMs: number): NonNullable<NewCountsRow['latency']> {
  const at = (quantile: number): number => Math.min(sketch.getValueAtQuantile(quantile), maxMs);
  return { count: sketch.count, sumMs, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs };
}
