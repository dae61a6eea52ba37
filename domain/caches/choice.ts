/** What an operator writes for a cache; `auto` is one of the other two, chosen at each change of the version. */
export type CacheStrategy = InForceStrategy | 'auto';

/**
 * `invalidate`: a change of the version makes every entry unreachable. `version-tagged`: entries stay with the version that
 * made them, so that a return to it finds them warm; those of a version that was left for cause are unreachable all the same.
 */
export type InForceStrategy = 'invalidate' | 'version-tagged';

/** What is known at the moment of the choice; null where it was not measured or not declared. */
export interface CacheFigures {
  /** Share of the requests that the cache answers, 0–1. */
  readonly hitRate: number | null;
  /** Requests before the cache. */
  readonly requestsPerSecond: number | null;
  /** 99th percentile of what the model itself answers. */
  readonly missP99Ms: number | null;
  /** The latency that is promised, as a 99th percentile. */
  readonly slaP99Ms: number | null;
  /** Requests a second that the model sustains. */
  readonly modelPerSecond: number | null;
  /** Memory of the entries of the version that is left, or of all where that is not known apart. */
  readonly usedBytes: number | null;
  readonly limitBytes: number | null;
  /** Full, the cache drops its oldest entries by itself; else it refuses new ones. */
  readonly evicts: boolean;
}

export interface CacheChoice {
  readonly strategy: InForceStrategy;
  /** The calculation in one sentence. */
  readonly why: string;
  /** Times the requests that reach the model when the cache is cold; null where the hit rate is not known. */
  readonly coldLoadFactor: number | null;
  /** Null where it is not known; Infinity where the model cannot take the load. */
  readonly coldP99Ms: number | null;
}

/**
 * The rule behind `auto`. A cold cache sends 1 / (1 − hit rate) times the requests to the model. Its p99 is then that of the
 * model, stretched by waiting as in a queue with one server: (1 − ρ warm) / (1 − ρ cold), ρ being load over what the model
 * sustains (M/M/1, whose time in the system is service time / (1 − ρ)). Where that keeps the SLA, everything is dropped:
 * the memory is free at once, and nothing of the old version lies about. Where it does not, entries are kept, if there is
 * room for those of two versions or the cache makes room by itself. Keeping is never colder, so it is also the answer
 * where nothing was measured.
 */
export function chooseStrategy(figures: CacheFigures): CacheChoice {
  const { hitRate, missP99Ms, slaP99Ms } = figures;
  const coldLoadFactor = hitRate === null ? null : hitRate >= 1 ? Infinity : 1 / (1 - hitRate);
  const coldP99Ms = coldP99(figures);
  const missing = [
    ...(slaP99Ms === null ? ['no latency is promised (sla)'] : []),
    ...(hitRate === null ? ['the hit rate was not measured'] : []),
    ...(missP99Ms === null ? ['the latency of the model was not measured'] : []),
  ];
  if (slaP99Ms === null || coldLoadFactor === null || coldP99Ms === null) {
    const why = `${missing.join(' and ')}: entries are kept by version, which is never colder`;
    return { strategy: 'version-tagged', why, coldLoadFactor, coldP99Ms };
  }
  const load = `hit rate ${percent(hitRate)}: cold, the model gets ${times(coldLoadFactor)} the requests`;
  const spike = `${load} and answers within ${ms(coldP99Ms)} (p99${queueWords(figures)})`;
  if (coldP99Ms <= slaP99Ms) {
    const why = `${spike}, which keeps the ${ms(slaP99Ms)} of the SLA: everything is dropped, and the memory is free`;
    return { strategy: 'invalidate', why, coldLoadFactor, coldP99Ms };
  }
  const over = `${spike}, over the ${ms(slaP99Ms)} of the SLA`;
  const room = roomWords(figures);
  return room.fits
    ? {
        strategy: 'version-tagged',
        why: `${over}: entries are kept by version, ${room.words}`,
        coldLoadFactor,
        coldP99Ms,
      }
    : {
        strategy: 'invalidate',
        why: `${over}, but ${room.words}: everything is dropped, and only equal requests that are put together and a shift in stages limit the spike`,
        coldLoadFactor,
        coldP99Ms,
      };
}

function coldP99({ hitRate, missP99Ms, modelPerSecond, requestsPerSecond }: CacheFigures): number | null {
  if (missP99Ms === null || hitRate === null) return null;
  if (modelPerSecond === null || requestsPerSecond === null) return missP99Ms;
  const cold = requestsPerSecond / modelPerSecond;
  const warm = cold * (1 - hitRate);
  return cold >= 1 ? Infinity : (missP99Ms * (1 - Math.min(warm, cold))) / (1 - cold);
}

function roomWords({ usedBytes, limitBytes, evicts }: CacheFigures): {
  readonly fits: boolean;
  readonly words: string;
} {
  if (limitBytes === null) return { fits: true, words: 'and no limit of its memory is known' };
  if (usedBytes !== null && 2 * usedBytes <= limitBytes)
    return { fits: true, words: `and two versions fit: 2 × ${mib(usedBytes)} of ${mib(limitBytes)}` };
  const used =
    usedBytes === null ? 'what is used is not known' : `2 × ${mib(usedBytes)} are more than ${mib(limitBytes)}`;
  return evicts
    ? { fits: true, words: `as many as fit (${used}; the oldest go first)` }
    : { fits: false, words: `two versions do not fit (${used}) and the cache drops none by itself` };
}

function queueWords({ modelPerSecond, requestsPerSecond }: CacheFigures): string {
  if (modelPerSecond === null || requestsPerSecond === null)
    return '; waiting is not counted, modelPerSecond is not declared';
  return `; ${requestsPerSecond.toFixed(0)} of ${modelPerSecond.toFixed(0)} requests a second`;
}

function percent(rate: number | null): string {
  return `${((rate ?? 0) * 100).toFixed(1)} %`;
}

function times(factor: number): string {
  return Number.isFinite(factor) ? `${factor.toFixed(1)} times` : 'all of';
}

function ms(value: number): string {
  return Number.isFinite(value) ? `${Math.round(value)} ms` : 'no bounded time';
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
