import type { InForceStrategy } from './choice';

/**
 * What readers of an output cache look up before each use: which part of it is current. Their keys hold {@link tagOf}, so
 * one write makes any number of entries unreachable at once. A tag is never used again: its last part is a generation, and
 * each generation has a name of its own (the epoch of the route that made it, and the moment).
 */
export interface CachePointer {
  readonly v: 1;
  readonly service: string;
  readonly cache: string;
  /** Of the route that it was last brought to. */
  readonly epoch: number;
  /** The version whose answers may be read and written. */
  readonly version: string;
  /** The part of the keys of the current version. */
  readonly tag: string;
  /** Entries of a version that is not in `series` are of this generation. */
  readonly floor: string;
  /** Versions whose entries began anew since then, with their generation. */
  readonly series: Readonly<Record<string, string>>;
  readonly strategy: InForceStrategy;
  /** Longest life of an entry; writers give it to each. */
  readonly ttlMs: number;
  /** Of the last change, milliseconds since 1970. */
  readonly at: number;
  /** What made it: an operation, a person. */
  readonly by: string;
}

/** A change of the version that is served. */
export interface CacheChange {
  readonly epoch: number;
  readonly version: string;
  /** Versions of which nothing that was stored until now may be read again. */
  readonly drop: readonly string[];
  readonly strategy: InForceStrategy;
  readonly at: number;
  readonly by: string;
}

export type PointerOutcome = 'set' | 'unchanged' | 'superseded';

/** Beyond this many versions the oldest are forgotten and begin anew: cold, never wrong. */
const SERIES_MAX = 20;

export function tagOf(version: string, { floor, series }: Pick<CachePointer, 'floor' | 'series'>): string {
  return `${version}~${Object.hasOwn(series, version) ? series[version] : floor}`;
}

export function generationOf(epoch: number, at: number): string {
  return `${epoch}-${at.toString(36)}`;
}

function epochOf(generation: string): number {
  return Number(generation.split('-')[0]);
}

/**
 * The pointer after a change, from the one that is there. Made twice it is made once: what the epoch asks for is in force
 * already. An older change than the one in force is `superseded` and changes nothing.
 */
export function joined(
  before: CachePointer | null,
  change: CacheChange,
  of: { readonly service: string; readonly cache: string; readonly ttlMs: number },
): { readonly outcome: PointerOutcome; readonly pointer: CachePointer } {
  const { epoch, version, at, by, strategy } = change;
  const generation = generationOf(epoch, at);
  const whole = { floor: generation, series: {} };
  if (before === null) return { outcome: 'set', pointer: made(whole) };
  if (before.epoch > epoch) return { outcome: 'superseded', pointer: before };
  const stale = change.drop.filter((one) => epochOf(generationIn(before, one)) < epoch);
  if (before.epoch === epoch) {
    if (stale.length === 0 && before.version === version) return { outcome: 'unchanged', pointer: before };
    return { outcome: 'set', pointer: made(anew(before, stale, generation), before.strategy) };
  }
  return { outcome: 'set', pointer: made(strategy === 'invalidate' ? whole : anew(before, stale, generation)) };

  function made(part: Pick<CachePointer, 'floor' | 'series'>, kept: InForceStrategy = strategy): CachePointer {
    return { v: 1, ...of, epoch, version, tag: tagOf(version, part), ...part, strategy: kept, at, by };
  }
}

/** Everything becomes unreachable, by hand. Null where there is nothing yet. */
export function emptied(before: CachePointer, at: number, by: string): CachePointer {
  const floor = generationOf(before.epoch, at);
  // The same act again, after its answer was lost.
  if (before.floor === floor) return before;
  return { ...before, floor, series: {}, tag: tagOf(before.version, { floor, series: {} }), at, by };
}

function generationIn({ floor, series }: CachePointer, version: string): string {
  return (Object.hasOwn(series, version) ? series[version] : undefined) ?? floor;
}

function anew(
  { floor, series }: CachePointer,
  versions: readonly string[],
  generation: string,
): Pick<CachePointer, 'floor' | 'series'> {
  const kept = Object.entries(series).filter(([version]) => !versions.includes(version));
  const next = [...kept, ...versions.map((version): [string, string] => [version, generation])];
  if (next.length <= SERIES_MAX) return { floor, series: Object.fromEntries(next) };
  // A forgotten version would be found at the old floor again.
  return { floor: generation, series: Object.fromEntries(next.slice(-SERIES_MAX / 2)) };
}

/** Versions that are dropped when the traffic goes from one to another. */
export function droppedBy(
  kind: 'deploy' | 'rollback' | 'hold-move' | 'manual-rollback',
  left: string | null,
  version: string,
): string[] {
  if (left === null || left === version) return [];
  // A version that is deployed again begins anew: why it was left before, nobody asks here.
  return kind === 'deploy' ? [version] : [left];
}
