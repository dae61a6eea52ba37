import type { HandledUnit, ItemsWindow, UnitPage } from '../../activities/ports';
import { msOf, type Membership, type RedisStream, type StreamFields } from './redis-stream';

/** So many entries are looked through for one page: each page costs a sweep of what is around it. */
const PAGE_ENTRIES = 20_000;

interface BatchOf {
  /** The first entry of it that the version handled in the window: there it is listed. */
  first: string | null;
  items: number;
  degraded: number;
}

/** Finds what a version handled in a stream, in the order of its ids, and keeps nothing between two pages. */
export class RedisListing {
  constructor(
    private readonly stream: RedisStream,
    private readonly fields: StreamFields,
    /** The entries of one batch are at most so far from each other. */
    private readonly withinMs: number,
  ) {}

  async items({ version, fromMs, toMs }: ItemsWindow, cursor: string | null, limit: number): Promise<UnitPage> {
    const found = await this.stream.range(behind(cursor, fromMs), String(toMs - 1), limit);
    const last = found.at(-1);
    const units = found.flatMap(({ ref, fields }): HandledUnit[] => {
      if (fields.get(this.fields.version) !== version) return [];
      const id = this.stream.idOf({ ref, item: fields.get(this.fields.id) ?? null });
      return [{ id, items: 1, degraded: 1, ref }];
    });
    return { units, next: last !== undefined && found.length === limit ? last.ref : null };
  }

  /** A batch stands where the version handled its first item; items that belong to none stand where they are. */
  async batches(window: ItemsWindow, cursor: string | null, limit: number): Promise<UnitPage> {
    const listed: Membership[] = [];
    const candidates = new Map<string, string>();
    let looked = 0;
    let last: string | null = null;
    let next: string | null = null;
    for await (const entry of this.stream.memberships(behind(cursor, window.fromMs), String(window.toMs - 1))) {
      const isNew = entry.version === window.version && (entry.batch === null || !candidates.has(entry.batch));
      if (looked === PAGE_ENTRIES || (isNew && listed.length === limit)) {
        next = last;
        break;
      }
      looked += 1;
      last = entry.ref;
      if (!isNew) continue;
      listed.push(entry);
      if (entry.batch !== null) candidates.set(entry.batch, entry.ref);
    }
    const around = await this.around(candidates, window);
    const units = listed.flatMap((entry): HandledUnit[] => {
      const { ref, batch } = entry;
      if (batch === null) return [{ id: this.stream.idOf(entry), items: 1, degraded: 1, alone: true, ref }];
      const { first, items, degraded } = around.get(batch) ?? { first: null, items: 0, degraded: 0 };
      return first === ref ? [{ id: batch, items, degraded, ref }] : [];
    });
    return { units, next };
  }

  async partlyHandled(window: ItemsWindow, cursor: string | null, limit: number): Promise<UnitPage> {
    const { units, next } = await this.batches(window, cursor, limit);
    return { units: units.filter(({ items, degraded }) => degraded < items), next };
  }

  /** Entries of these batches (id → one of its entries), at most `limit` of each, in the order of the stream. */
  async membersOf(batches: ReadonlyMap<string, string>, limit: number): Promise<Map<string, Membership[]>> {
    const members = new Map<string, Membership[]>();
    for await (const entry of this.sweep(batches)) {
      const known = members.get(entry.batch) ?? [];
      if (known.length < limit) known.push(entry);
      members.set(entry.batch, known);
    }
    return members;
  }

  private async around(
    batches: ReadonlyMap<string, string>,
    { version, fromMs, toMs }: ItemsWindow,
  ): Promise<Map<string, BatchOf>> {
    const found = new Map<string, BatchOf>();
    for await (const { ref, batch, version: by } of this.sweep(batches)) {
      const known = found.get(batch) ?? { first: null, items: 0, degraded: 0 };
      known.items += 1;
      const isMeant = by === version && msOf(ref) >= fromMs && msOf(ref) < toMs;
      if (isMeant) {
        known.degraded += 1;
        known.first ??= ref;
      }
      found.set(batch, known);
    }
    return found;
  }

  private async *sweep(batches: ReadonlyMap<string, string>): AsyncGenerator<Membership & { readonly batch: string }> {
    if (batches.size === 0) return;
    const times = [...batches.values()].map(msOf);
    const from = Math.max(0, times.reduce((one, other) => Math.min(one, other)) - this.withinMs);
    const to = times.reduce((one, other) => Math.max(one, other)) + this.withinMs;
    for await (const entry of this.stream.memberships(String(from), String(to))) {
      const { batch } = entry;
      if (batch !== null && batches.has(batch)) yield { ...entry, batch };
    }
  }
}

function behind(cursor: string | null, fromMs: number): string {
  return cursor === null ? String(fromMs) : `(${cursor}`;
}
