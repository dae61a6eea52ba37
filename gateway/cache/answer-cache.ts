import { chooseStrategy, type CacheChoice, type CacheFigures } from '../../domain/caches/choice';
import type { Backend } from '../../domain/route';
import type { Headers } from '../headers';
import type { GatewayCacheConfig, GatewayCacheState } from '../protocol';
import { Recently } from './cache-figures';

/** Of an entry besides its body: headers, key, what the tables take. */
const ENTRY_BYTES = 1_024;

/** One answer as the model gave it, for the requests that ask the same. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  readonly version: string;
  /** The copy that made it, and the request that it was made for. */
  readonly backend: Backend;
  readonly requestId: string;
  readonly predicted: string | null;
  readonly score: number | null;
  readonly atMs: number;
}

/** Those who wait for the answer of another request that asks the same. */
export interface Flight {
  readonly waiting: Set<(kept: KeptAnswer | 'again' | 'alone') => void>;
}

/**
 * The answers of one version (and digest of it). Given up as a whole it can be reached by nobody any more, also by a request
 * that began before and would keep its answer here.
 */
export class Shelf {
  readonly entries = new Map<string, KeptAnswer>();
  readonly flights = new Map<string, Flight>();
  bytes = 0;
  isDropped = false;

  constructor(readonly version: string) {}
}

/**
 * The answers of one service in memory, by version: an answer is only found by a request that the route sends to the version
 * that made it. To drop a version is one step, whatever it holds.
 */
export class AnswerCache {
  readonly ignored: ReadonlySet<string>;
  readonly counts = { hit: 0, miss: 0, coalesced: 0, evicted: 0 };
  readonly recently: Recently;
  private readonly shelves = new Map<string, Shelf>();
  private bytes = 0;
  private primary: string | null = null;
  private choice: (CacheChoice & { readonly at: number }) | null = null;
  private dropped: GatewayCacheState['lastDrop'] = null;

  constructor(
    readonly config: GatewayCacheConfig,
    nowMs: number,
  ) {
    this.ignored = new Set(config.ignoreHeaders.map((name) => name.toLowerCase()));
    this.recently = new Recently(nowMs);
  }

  shelfOf(version: string, digest: string): Shelf {
    const name = `${version}|${digest}`;
    let shelf = this.shelves.get(name);
    if (!shelf) this.shelves.set(name, (shelf = new Shelf(version)));
    return shelf;
  }

  find(shelf: Shelf, key: string, nowMs: number): KeptAnswer | null {
    const kept = shelf.entries.get(key);
    if (kept === undefined) return null;
    shelf.entries.delete(key);
    if (nowMs - kept.atMs > this.config.maxAgeMs) {
      this.release(shelf, kept);
      return null;
    }
    // Last in its table: the first ones are those that were not asked for for the longest time.
    shelf.entries.set(key, kept);
    return kept;
  }

  keep(shelf: Shelf, key: string, kept: KeptAnswer): void {
    if (shelf.isDropped || kept.body.length > this.config.maxEntryBytes) return;
    const former = shelf.entries.get(key);
    if (former) {
      shelf.entries.delete(key);
      this.release(shelf, former);
    }
    shelf.entries.set(key, kept);
    const bytes = bytesOf(kept);
    shelf.bytes += bytes;
    this.bytes += bytes;
    while (this.bytes > this.config.maxBytes && this.evictOne());
  }

  /** A record is in force. `warmed`: the version had a share of the traffic just before, so its answers are of now. */
  routed(primary: string, warmed: string | null, nowMs: number): void {
    const before = this.primary;
    this.primary = primary;
    if (before === null || before === primary) return;
    const left = [...this.shelves.values()].filter(({ version }) => version === before);
    const usedBytes = left.reduce((sum, shelf) => sum + shelf.bytes, 0);
    this.choice = { ...this.chosen(usedBytes, nowMs), at: nowMs };
    if (this.choice.strategy === 'version-tagged') return;
    this.dropWhere((version) => version !== primary || warmed !== primary, nowMs, `the change to ${primary}`);
  }

  /** Nothing of these versions that is kept now is served again; of all where none is named. Resolves to the entries. */
  drop(versions: readonly string[] | null, by: string, nowMs: number): number {
    return this.dropWhere((version) => versions === null || versions.includes(version), nowMs, by);
  }

  /** What is too old goes, though nobody asks for it. */
  sweep(nowMs: number): void {
    for (const [name, shelf] of this.shelves) {
      for (const [key, kept] of shelf.entries) {
        if (nowMs - kept.atMs <= this.config.maxAgeMs) continue;
        shelf.entries.delete(key);
        this.release(shelf, kept);
      }
      if (shelf.entries.size === 0 && shelf.flights.size === 0 && shelf.version !== this.primary) {
        // A request that began before must not keep its answer where nobody counts it.
        shelf.isDropped = true;
        this.shelves.delete(name);
      }
    }
  }

  get usedBytes(): number {
    return this.bytes;
  }

  state(nowMs: number): GatewayCacheState {
    const { strategy, maxBytes } = this.config;
    const versions: Record<string, { entries: number; bytes: number }> = {};
    let waiting = 0;
    for (const { version, entries, bytes, flights } of this.shelves.values()) {
      for (const flight of flights.values()) waiting += flight.waiting.size;
      const sum = versions[version] ?? { entries: 0, bytes: 0 };
      versions[version] = { entries: sum.entries + entries.size, bytes: sum.bytes + bytes };
    }
    const { hit, miss, coalesced, evicted } = this.counts;
    return {
      strategy,
      current: this.primary,
      choice: this.choice && {
        strategy: this.choice.strategy,
        why: this.choice.why,
        at: this.choice.at,
      },
      versions,
      bytes: this.bytes,
      maxBytes,
      hits: hit,
      misses: miss,
      coalesced,
      evicted,
      waiting,
      ...this.recently.read(nowMs),
      lastDrop: this.dropped,
    };
  }

  private chosen(usedBytes: number, nowMs: number): CacheChoice {
    const { strategy, slaP99Ms = null, modelPerSecond = null, maxBytes } = this.config;
    const fixed = { why: 'as configured', coldLoadFactor: null, coldP99Ms: null };
    if (strategy !== 'auto') return { strategy, ...fixed };
    const figures: CacheFigures = {
      ...this.recently.read(nowMs),
      slaP99Ms,
      modelPerSecond,
      usedBytes,
      limitBytes: maxBytes,
      evicts: true,
    };
    return chooseStrategy(figures);
  }

  private dropWhere(isMeant: (version: string) => boolean, nowMs: number, by: string): number {
    let entries = 0;
    const versions: string[] = [];
    for (const [name, shelf] of this.shelves) {
      if (!isMeant(shelf.version)) continue;
      entries += shelf.entries.size;
      versions.push(shelf.version);
      shelf.isDropped = true;
      this.bytes -= shelf.bytes;
      this.shelves.delete(name);
    }
    this.dropped = { at: nowMs, by, versions, entries };
    return entries;
  }

  /** The oldest entry of a version that is not asked for now, else the oldest of all. */
  private evictOne(): boolean {
    let from: Shelf | null = null;
    for (const shelf of this.shelves.values()) {
      if (shelf.entries.size === 0) continue;
      from = shelf;
      if (shelf.version !== this.primary) break;
    }
    const oldest = from?.entries.entries().next().value;
    if (!from || !oldest) return false;
    from.entries.delete(oldest[0]);
    this.release(from, oldest[1]);
    this.counts.evicted += 1;
    return true;
  }

  private release(shelf: Shelf, kept: KeptAnswer): void {
    const bytes = bytesOf(kept);
    shelf.bytes -= bytes;
    this.bytes -= bytes;
  }
}

function bytesOf({ body }: KeptAnswer): number {
  return body.length + ENTRY_BYTES;
}
