import { EventEmitter } from 'node:events';
import type { CountsRow, EventRow, TelemetryRow } from './protocol';
import type { Statement, Storage } from './storage';

export type NewCountsRow = Omit<CountsRow, 'seq'>;
export type NewEventRow = Omit<EventRow, 'seq'>;
export interface NewRow {
  readonly row: NewCountsRow | NewEventRow;
  /** The latency sketch of a counts row, so that rows can be folded to minutes without losing the quantiles. */
  readonly sketch?: Uint8Array;
}

/** Rows that could not be written are kept so long as there are not more of them than this. */
const PENDING_MAX = 600;

/**
 * The numbered telemetry of one service. A row gets its number and is stored in one transaction before any reader sees
 * it, so a number that was read never changes its content, whatever dies.
 */
export class TelemetryStore {
  private seq: number;
  private pending: NewRow[] = [];
  private dropped: { fromMs: number; toMs: number } | null = null;
  private readonly insert: Statement;
  private readonly saveSeq: Statement;
  private readonly selectAfter: Statement;
  private readonly emitter = new EventEmitter().setMaxListeners(0);
  writeErrors = 0;

  constructor(
    private readonly storage: Storage,
    private readonly service: string,
  ) {
    storage.ensureService(service);
    const row = storage.prepare('SELECT last_seq FROM services WHERE service = ?').get(service) as { last_seq: number };
    this.seq = row.last_seq;
    this.insert = storage.prepare(
      'INSERT INTO rows (service, seq, from_ms, to_ms, kind, json, sketch) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.saveSeq = storage.prepare('UPDATE services SET last_seq = ? WHERE service = ?');
    this.selectAfter = storage.prepare('SELECT json FROM rows WHERE service = ? AND seq > ? ORDER BY seq LIMIT ?');
  }

  get lastSeq(): number {
    return this.seq;
  }

  /**
   * Appends rows, and does `also` in the same transaction. Throws when the database does; then nothing has changed.
   * With nothing to append and no `also` it does nothing.
   */
  append(rows: readonly NewRow[], also?: () => void, durable = false): void {
    if (rows.length === 0 && !also) return;
    const before = this.seq;
    const work = (): void => {
      for (const { row, sketch } of rows) this.write(row, sketch);
      if (rows.length > 0) this.saveSeq.run(this.seq, this.service);
      also?.();
    };
    try {
      if (durable) this.storage.durable(work);
      else this.storage.transaction(work);
    } catch (error) {
      this.seq = before;
      throw error;
    }
    if (rows.length > 0) this.emitter.emit('rows');
  }

  /** Appends rows of the running traffic: where the database refuses they wait, and what must be given up is a gap. */
  offer(rows: readonly NewRow[]): void {
    const all = this.pending.length > 0 ? [...this.pending, ...rows] : rows;
    const gap = this.dropped;
    try {
      this.append(gap ? [{ row: gapRow(gap.fromMs, gap.toMs, 'the database could not be written') }, ...all] : all);
      this.pending = [];
      this.dropped = null;
    } catch {
      this.writeErrors += 1;
      this.pending = all.slice(-PENDING_MAX);
      for (const { row } of all.slice(0, -PENDING_MAX)) {
        this.dropped = { fromMs: this.dropped?.fromMs ?? row.fromMs, toMs: row.toMs };
      }
    }
  }

  /** At most `limit` stored rows with a number above `after`, in order, as JSON lines without their newline. */
  linesAfter(after: number, limit: number): string[] {
    return (this.selectAfter.all(this.service, after, limit) as { json: string }[]).map((row) => row.json);
  }

  /** Stored rows that begin in the half-open interval: minutes of the time that is folded already, then single rows. */
  window(fromMs: number, toMs: number): TelemetryRow[] {
    const minutes = this.storage
      .prepare(
        'SELECT json FROM minutes WHERE service = ? AND minute_ms >= ? AND minute_ms < ? ORDER BY minute_ms LIMIT 50000',
      )
      .all(this.service, fromMs, toMs) as { json: string }[];
    const rows = this.storage
      .prepare('SELECT json FROM rows WHERE service = ? AND from_ms >= ? AND from_ms < ? ORDER BY seq LIMIT 100000')
      .all(this.service, fromMs, toMs) as { json: string }[];
    return [...minutes, ...rows].map((row) => JSON.parse(row.json) as TelemetryRow);
  }

  hasEvent(event: EventRow['event'], epoch: number): boolean {
    const found = this.storage
      .prepare(
        "SELECT 1 AS found FROM rows WHERE service = ? AND kind = 'event' AND json_extract(json, '$.event') = ? " +
          "AND json_extract(json, '$.epoch') = ? LIMIT 1",
      )
      .get(this.service, event, epoch);
    return found !== undefined;
  }

  /** Times whose counts or answers may be lost, overlapping the interval. */
  gaps(fromMs: number, toMs: number): { fromMs: number; toMs: number; why: string }[] {
    const rows = this.storage
      .prepare(
        "SELECT json FROM rows WHERE service = ? AND kind = 'event' AND to_ms >= ? AND from_ms <= ? ORDER BY seq",
      )
      .all(this.service, fromMs, toMs) as { json: string }[];
    return rows
      .map((row) => JSON.parse(row.json) as EventRow)
      .filter((row) => row.event === 'gap')
      .map((row) => ({ fromMs: row.fromMs, toMs: row.toMs, why: row.detail }));
  }

  onRows(listener: () => void): () => void {
    this.emitter.on('rows', listener);
    return () => this.emitter.off('rows', listener);
  }

  private write(row: NewCountsRow | NewEventRow, sketch: Uint8Array | undefined): void {
    this.seq += 1;
    const { kind, ...rest } = row;
    const json = JSON.stringify({ kind, seq: this.seq, ...rest });
    this.insert.run(this.service, this.seq, row.fromMs, row.toMs, kind, json, sketch ? Buffer.from(sketch) : null);
  }
}

export function gapRow(fromMs: number, toMs: number, why: string): NewEventRow {
  return { kind: 'event', fromMs, toMs, event: 'gap', version: null, epoch: 0, detail: why };
}
