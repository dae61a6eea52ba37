import type { CacheState, OutputCache } from '../../../activities/ports';
import type { CacheStrategy } from '../../../domain/caches/choice';
import { emptied, joined, type CachePointer } from '../../../domain/caches/pointer';
import { CacheUnreachable } from '../../../adapters/caches/errors';

/** In-memory cache: the rules of the pointer, and a switch that makes it unreachable. */
export class FakeOutputCache implements OutputCache {
  pointer: CachePointer | null = null;
  why = '';
  broken: Error | null = null;
  figures: CacheState['figures'] | null = null;

  constructor(
    readonly service: string,
    readonly name: string,
    readonly strategy: CacheStrategy = 'version-tagged',
  ) {}

  async state(): Promise<CacheState> {
    await this.reach();
    const { pointer, strategy } = this;
    const nothing = { hitRate: null, requestsPerSecond: null, missP99Ms: null, slaP99Ms: null, modelPerSecond: null };
    const last = pointer && { strategy: pointer.strategy, why: this.why, at: pointer.at, by: pointer.by };
    return {
      ...{ kind: 'redis', strategy, version: pointer?.version ?? null, epoch: pointer?.epoch ?? null },
      ...{ tag: pointer?.tag ?? null, last, entries: null },
      figures: this.figures ?? { ...nothing, usedBytes: null, limitBytes: null, evicts: false },
    };
  }

  async settle(
    ...[change, why, how]: Parameters<OutputCache['settle']>
  ): Promise<Awaited<ReturnType<OutputCache['settle']>>> {
    await this.reach();
    const { service, name: cache, pointer: before } = this;
    const isAhead = how?.takeOver === true && before !== null && before.epoch > change.epoch;
    const { outcome, pointer } = joined(isAhead ? null : before, change, { service, cache, ttlMs: 60_000 });
    this.pointer = pointer;
    if (outcome === 'set') this.why = why;
    return { outcome, tag: pointer.tag };
  }

  async invalidate({ at, by }: { readonly at: number; readonly by: string }): Promise<void> {
    await this.reach();
    if (this.pointer) this.pointer = emptied(this.pointer, at, by);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private reach(): Promise<void> {
    return this.broken ? Promise.reject(this.broken) : Promise.resolve();
  }

  fail(): void {
    this.broken = new CacheUnreachable('it was told to be away');
  }
}
