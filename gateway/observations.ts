import { createHash } from 'node:crypto';
import type { GatewayServiceConfig, ObservationAnswer, ObservationBatch } from './protocol';
import type { Storage } from './storage';

const DAY_MS = 86_400_000;
const KEPT_MS = 30 * DAY_MS;
/** Of all services together: what a token holder sends without an end must not fill the disk. */
const KEPT_MAX = 2_000_000;
/** Clocks differ; a value from later than this was not measured yet. */
const AHEAD_MS = 60_000;
const PROBLEMS_MAX = 20;

export interface StoredObservation {
  readonly seq: number;
  readonly atMs: number;
  readonly value: number;
  readonly n: number | null;
}

type Bounds = NonNullable<GatewayServiceConfig['pushed']>[number];

interface TakenBatch {
  readonly digest: string;
  readonly accepted: number;
  readonly late: number;
}

/**
 * Values of metrics that are pushed: appended and numbered, never changed. All of a batch or nothing of it; the same
 * batch again changes nothing; any order within the horizon. Rows of their own, so that a flood of values never stands
 * between the watch and the counts of the requests.
 */
export class Observations {
  private readonly declared: ReadonlyMap<string, Bounds>;

  constructor(
    private readonly storage: Storage,
    private readonly service: string,
    pushed: GatewayServiceConfig['pushed'],
    private readonly horizonMs: number,
  ) {
    this.declared = new Map((pushed ?? []).map((bounds) => [bounds.metric, bounds]));
  }

  take(batch: ObservationBatch, nowMs: number): ObservationAnswer {
    const digest = createHash('sha256').update(JSON.stringify(batch.items)).digest('hex');
    const before = this.batch(batch.key);
    if (before) {
      if (before.digest === digest)
        return { taken: true, accepted: before.accepted, late: before.late, repeated: true };
      return refused([`key: found "${batch.key}", which names another batch already; expected a key of its own`]);
    }
    const problems = this.problemsOf(batch, nowMs);
    if (problems.length > 0) return refused(problems);
    const items = batch.items.filter(({ at }) => Date.parse(at) >= nowMs - this.horizonMs);
    const late = batch.items.length - items.length;
    this.storage.transaction(() => {
      const insert = this.storage.prepare(
        'INSERT INTO observations (service, metric, at_ms, value, n) VALUES (?, ?, ?, ?, ?)',
      );
      for (const { metric, at, value, n } of items) insert.run(this.service, metric, Date.parse(at), value, n ?? null);
      this.storage
        .prepare('INSERT INTO observation_batches VALUES (?, ?, ?, ?, ?, ?)')
        .run(this.service, batch.key, digest, items.length, late, nowMs);
    });
    return { taken: true, accepted: items.length, late, repeated: false };
  }

  /** The newest `limit` values of [fromMs, toMs), oldest first; of two of one moment the later written comes last. */
  values(metric: string, fromMs: number, toMs: number, limit: number): StoredObservation[] {
    const rows = this.storage
      .prepare(
        'SELECT seq, at_ms AS atMs, value, n FROM observations WHERE service = ? AND metric = ? AND at_ms >= ? ' +
          'AND at_ms < ? ORDER BY at_ms DESC, seq DESC LIMIT ?',
      )
      .all(this.service, metric, fromMs, toMs, limit) as StoredObservation[];
    return rows.reverse();
  }

  /** `held`: services whose values are not to be deleted to make room. */
  removeOld(nowMs: number, held: readonly string[] = []): void {
    const old = this.storage.prepare('DELETE FROM observations WHERE service = ? AND metric = ? AND at_ms < ?');
    // By metric, as the index has them; those of a metric that is declared no more go with the oldest of all.
    for (const [metric, { keptMs }] of this.declared)
      old.run(this.service, metric, nowMs - (keptMs ?? Math.max(KEPT_MS, this.horizonMs)));
    this.storage
      .prepare(
        'DELETE FROM observations WHERE seq <= (SELECT MAX(seq) FROM observations) - ? ' +
          'AND service NOT IN (SELECT value FROM json_each(?))',
      )
      .run(KEPT_MAX, JSON.stringify(held));
    // All values of a batch that is older are late by now: taken again, it would change nothing.
    this.storage
      .prepare('DELETE FROM observation_batches WHERE service = ? AND taken_ms < ?')
      .run(this.service, nowMs - this.horizonMs - 2 * AHEAD_MS);
  }

  private batch(key: string): TakenBatch | undefined {
    return this.storage
      .prepare('SELECT digest, accepted, late FROM observation_batches WHERE service = ? AND key = ?')
      .get(this.service, key) as TakenBatch | undefined;
  }

  private problemsOf({ items }: ObservationBatch, nowMs: number): string[] {
    const problems: string[] = [];
    items.forEach(({ metric, value, at }, index) => {
      if (problems.length >= PROBLEMS_MAX) return;
      const bounds = this.declared.get(metric);
      if (bounds === undefined) {
        const known = [...this.declared.keys()].join(', ') || 'none: the service declares no metric that is pushed';
        problems.push(`items.${index}.metric: found "${metric}", expected one of ${known}`);
        return;
      }
      const { min, max } = bounds;
      if ((min !== null && value < min) || (max !== null && value > max))
        problems.push(`items.${index}.value: found ${value}, expected ${rangeText(min, max)}`);
      if (Date.parse(at) > nowMs + AHEAD_MS)
        problems.push(`items.${index}.at: found ${at}, which is in the future of this host`);
    });
    return problems;
  }
}

function refused(problems: string[]): ObservationAnswer {
  return { taken: false, problems };
}

function rangeText(min: number | null, max: number | null): string {
  if (min !== null && max !== null) return `${min} to ${max}`;
  return min !== null ? `at least ${min}` : `at most ${max ?? ''}`;
}
