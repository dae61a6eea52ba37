import type { IncomingMessage } from 'node:http';
import type { Read } from '../answer-reader';
import type { Headers } from '../headers';
import type { Way } from '../service';
import type { Target } from '../upstream';
import type { AnswerCache, Flight, KeptAnswer, Shelf } from './answer-cache';
import { keyOf, mayBeKept } from './request-key';

/** Those who wait for one answer; more go to the model themselves. */
const WAITING_MAX = 1_000;

/** What one request is told by the cache. */
export interface CacheClient {
  onKept(way: Way, kept: KeptAnswer, how: 'hit' | 'coalesced'): void;
  /** The answer of the other request has come, or will not: the version is chosen again. */
  onWaited(): void;
}

type Waited = KeptAnswer | 'again' | 'alone';

/**
 * One request's dealings with the cache: it finds its answer, waits for that of another one that asks the same, or goes to
 * the model and keeps what comes back for the others. Nothing is kept of a pinned session or a drill, and none gets it.
 */
export class CacheUse {
  private led: { readonly shelf: Shelf; readonly flight: Flight } | null = null;
  private shelf: Shelf | null = null;
  private waits: { readonly flight: Flight; readonly wake: (kept: Waited) => void; timer: NodeJS.Timeout } | null =
    null;
  private waitsUntil: number | null = null;
  private chunks: Buffer[] | null = null;
  private bytes = 0;
  private headers: Headers = {};
  private shared: { readonly kept: KeptAnswer; readonly shelf: Shelf } | null = null;
  private alone = false;

  constructor(
    private readonly cache: AnswerCache,
    private readonly key: string,
    private readonly client: CacheClient,
  ) {}

  /** True where the request is answered from here, now or later; else it goes to the model. */
  takes(way: Way): boolean {
    const { cache, key } = this;
    const { version, reason } = way.choice;
    const digest = way.lane.targets[0]?.backend.digest;
    this.shelf = null;
    if (reason === 'pin' || reason === 'drill' || digest === undefined) return false;
    const shelf = cache.shelfOf(version, digest);
    const now = Date.now();
    const { shared } = this;
    // Not of a shelf that was dropped while it was waited for, and not of a version that the route has left.
    if (shared?.shelf === shelf) return this.give(way, shared.kept, 'coalesced', now);
    const kept = cache.find(shelf, key, now);
    if (kept) return this.give(way, kept, 'hit', now);
    const flight = shelf.flights.get(key);
    if (flight && !this.alone && flight.waiting.size < WAITING_MAX) {
      this.waitFor(flight, shelf);
      return true;
    }
    this.shelf = shelf;
    cache.counts.miss += 1;
    cache.recently.count(false, now);
    if (!flight) {
      this.led = { shelf, flight: { waiting: new Set() } };
      shelf.flights.set(key, this.led.flight);
    }
    return false;
  }

  /** Whether the answer that passes now was looked for here first. */
  get isMiss(): boolean {
    return this.shelf !== null;
  }

  /** Takes a copy of the answer where it may be given to others; those who wait for it hear at once where not. */
  answering(status: number, headers: Headers, length: number): ((sent: Buffer) => void) | null {
    if (!this.shelf) return null;
    const tooLong = length > this.cache.config.maxEntryBytes;
    if (tooLong || !mayBeKept(status, headers)) {
      this.giveUp('alone');
      return null;
    }
    this.chunks = [];
    this.headers = headers;
    return (sent) => this.copy(sent);
  }

  /** The whole answer is on its way to who asked first. */
  finished(way: Way, target: Target, requestId: string, startedAt: number, { predicted, score }: Read): void {
    const { cache, chunks, shelf, key } = this;
    const now = Date.now();
    if (shelf) cache.recently.modelAnswered(performance.now() - startedAt, now);
    if (!shelf || !chunks) return this.giveUp('alone');
    const { version } = way.choice;
    // A request that went elsewhere meanwhile has the answer of another version than its shelf.
    if (shelf.version !== version) return this.giveUp('again');
    const kept: KeptAnswer = {
      ...{ status: 200, headers: this.headers, body: Buffer.concat(chunks) },
      ...{ version, backend: target.backend, requestId, predicted, score, atMs: now },
    };
    cache.keep(shelf, key, kept);
    this.giveUp(kept);
  }

  /** The request has ended, whichever way. */
  close(): void {
    if (this.waits) this.stopWaiting();
    this.giveUp('again');
  }

  private give(way: Way, kept: KeptAnswer, how: 'hit' | 'coalesced', nowMs: number): true {
    this.cache.counts[how] += 1;
    this.cache.recently.count(true, nowMs);
    this.client.onKept(way, kept, how);
    return true;
  }

  private waitFor(flight: Flight, shelf: Shelf): void {
    const now = performance.now();
    // All waits together are bounded, however often whoever is waited for goes away.
    this.waitsUntil ??= now + this.cache.config.coalesceMaxMs;
    const wake = (kept: Waited): void => {
      if (this.waits?.wake !== wake) return;
      this.stopWaiting();
      if (typeof kept === 'object') this.shared = { kept, shelf };
      if (kept === 'alone') this.alone = true;
      this.client.onWaited();
    };
    flight.waiting.add(wake);
    this.waits = { flight, wake, timer: setTimeout(() => wake('alone'), Math.max(0, this.waitsUntil - now)) };
  }

  private stopWaiting(): void {
    if (!this.waits) return;
    clearTimeout(this.waits.timer);
    this.waits.flight.waiting.delete(this.waits.wake);
    this.waits = null;
  }

  private copy(sent: Buffer): void {
    if (!this.chunks) return;
    this.bytes += sent.length;
    if (this.bytes <= this.cache.config.maxEntryBytes) {
      this.chunks.push(sent);
      return;
    }
    this.chunks = null;
    this.giveUp('alone');
  }

  /** Nobody waits for this request any more; those who did are told why. */
  private giveUp(outcome: Waited): void {
    const { led, key } = this;
    this.led = null;
    if (!led) return;
    led.shelf.flights.delete(key);
    // Each of them begins anew in a turn of its own: a thousand at once would hold up everybody else.
    for (const wake of [...led.flight.waiting]) setImmediate(wake, outcome);
  }
}

/** Null where the request is not looked for: no cache, a probe, which is about the model, or nothing that may be kept. */
export function openCacheUse(
  cache: AnswerCache | null,
  isProbe: boolean,
  asked: { readonly req: IncomingMessage; readonly body: unknown; readonly client: CacheClient },
): CacheUse | null {
  const key = cache === null || isProbe ? null : keyOf(asked.req, asked.body, cache.ignored);
  return cache === null || key === null ? null : new CacheUse(cache, key, asked.client);
}
