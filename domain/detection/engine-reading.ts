/** One line of what a server tells of itself in Prometheus' text form. */
export interface EngineSeries {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type EngineType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped';

/** What one copy told at one moment, of the names that are wanted. */
export interface EngineSnapshot {
  readonly atMs: number;
  readonly types: ReadonlyMap<string, EngineType>;
  readonly series: readonly EngineSeries[];
}

/** One copy: what it tells now, and what the same copy told before; null where nobody asked it yet. */
export interface CopyReading {
  readonly before: EngineSnapshot | null;
  readonly now: EngineSnapshot;
}

export interface SeriesSelection {
  readonly name: string;
  /** Series that have all of these; empty: every series of the name. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * How the series become one number. `value`: as it stands, the mean over series and copies. `rate`: increase a second,
 * over all together. `ratio`: increase of one over the increase of another. `mean` and `quantile`: of what was observed
 * since the last look, from a histogram (`mean` from a summary too).
 */
export type EngineRead =
  | { readonly how: 'auto' | 'value' | 'rate' | 'mean' }
  | { readonly how: 'ratio'; readonly per: SeriesSelection }
  | { readonly how: 'quantile'; readonly q: number };

export interface EngineQuery extends SeriesSelection {
  readonly read: EngineRead;
  /** What a series that is not there means: some servers show a counter only after its first event. */
  readonly missing: 'unmeasured' | 'zero';
}

/** `n`: the observations or events behind the value; null where they are not known. */
export interface EngineValue {
  readonly value: number;
  readonly n: number | null;
}

/** The number that the copies give together, or null where it was not measured: no series, no look before, no event. */
export function readEngine(query: EngineQuery, copies: readonly CopyReading[]): EngineValue | null {
  const { read } = query;
  switch (read.how) {
    case 'auto':
      return readEngine({ ...query, read: { how: usualRead(query.name, copies) } }, copies);
    case 'value':
      return valueOf(query, copies);
    case 'rate':
      return rateOf(query, copies);
    case 'ratio':
      return ratioOf(query, read.per, copies);
    case 'mean':
      return ratioOf(
        { ...query, name: `${query.name}_sum`, missing: 'unmeasured' },
        { ...query, name: `${query.name}_count` },
        copies,
      );
    case 'quantile':
      return quantileOf(query, read.q, copies);
  }
}

/** What the server says that a name is; where it says nothing, a count and a sum beside it tell a histogram. */
function usualRead(name: string, copies: readonly CopyReading[]): 'value' | 'rate' | 'mean' {
  const said = copies.map(({ now }) => now.types.get(name) ?? now.types.get(name.replace(/_total$/, '')));
  const type = said.find((each) => each !== undefined && each !== 'untyped');
  if (type === 'counter' || (type === undefined && name.endsWith('_total'))) return 'rate';
  if (type === 'gauge') return 'value';
  const summed = copies.some(({ now }) => now.series.some((series) => series.name === `${name}_sum`));
  return type === 'histogram' || type === 'summary' || summed ? 'mean' : 'value';
}

function valueOf(query: EngineQuery, copies: readonly CopyReading[]): EngineValue | null {
  const values = copies.flatMap(({ now }) => selected(now, query).map(({ value }) => value));
  const known = values.filter(Number.isFinite);
  if (known.length === 0) return query.missing === 'zero' && copies.length > 0 ? { value: 0, n: null } : null;
  return { value: known.reduce((sum, value) => sum + value, 0) / known.length, n: null };
}

function rateOf(query: EngineQuery, copies: readonly CopyReading[]): EngineValue | null {
  const rates = copies.flatMap((copy) => {
    const increase = increaseOf(query, [copy]);
    const seconds = copy.before === null ? 0 : (copy.now.atMs - copy.before.atMs) / 1_000;
    return increase === null || seconds <= 0 ? [] : [increase / seconds];
  });
  return rates.length === 0 ? null : { value: rates.reduce((sum, rate) => sum + rate, 0), n: null };
}

function ratioOf(query: EngineQuery, per: SeriesSelection, copies: readonly CopyReading[]): EngineValue | null {
  const of = increaseOf(query, copies);
  const all = increaseOf({ ...per, missing: 'unmeasured' }, copies);
  if (of === null || all === null || !(all > 0)) return null;
  return { value: of / all, n: Math.max(1, Math.round(all)) };
}

/** As Prometheus' `histogram_quantile`: linear inside a bucket; beyond the last bound it is that bound. */
function quantileOf(query: EngineQuery, q: number, copies: readonly CopyReading[]): EngineValue | null {
  const cumulated = new Map<number, number>();
  for (const { key, le, increase } of increases({ ...query, name: `${query.name}_bucket` }, copies)) {
    const bound = le === '+Inf' ? Infinity : Number(le);
    if (key !== '' && !Number.isNaN(bound)) cumulated.set(bound, (cumulated.get(bound) ?? 0) + increase);
  }
  const bounds = [...cumulated.keys()].sort((left, right) => left - right);
  const total = Math.max(0, ...cumulated.values());
  if (bounds.length < 2 || !(total > 0)) return null;
  const n = Math.max(1, Math.round(total));
  let below = 0;
  let low = Math.min(0, bounds[0] ?? 0);
  for (const bound of bounds) {
    const upTo = Math.max(below, cumulated.get(bound) ?? 0);
    if (upTo >= q * total && upTo > below) {
      if (bound === Infinity) return { value: low, n };
      return { value: low + (bound - low) * ((q * total - below) / (upTo - below)), n };
    }
    below = upTo;
    low = bound === Infinity ? low : bound;
  }
  return null;
}

/** Sum of the increases of all selected series; null where no copy was asked before or nothing of the name is there. */
function increaseOf(
  query: SeriesSelection & Pick<EngineQuery, 'missing'>,
  copies: readonly CopyReading[],
): number | null {
  const asked = copies.filter(({ before }) => before !== null);
  if (asked.length === 0) return null;
  const found = increases(query, asked);
  // The name is there without these labels: what they count has not happened yet.
  const known = asked.some(({ now }) => now.series.some(({ name }) => name === query.name));
  if (found.length === 0 && !known && query.missing === 'unmeasured') return null;
  return found.reduce((sum, { increase }) => sum + increase, 0);
}

/**
 * Of each series since the look before. A counter that is smaller than before began anew, and what it shows came since;
 * one that was not there before had counted nothing.
 */
function increases(
  query: SeriesSelection,
  copies: readonly CopyReading[],
): { key: string; le: string; increase: number }[] {
  return copies.flatMap(({ before, now }) => {
    if (before === null) return [];
    const earlier = new Map(selected(before, query).map((series) => [keyOf(series), series.value]));
    return selected(now, query).flatMap((series) => {
      const [key, value] = [keyOf(series), series.value];
      if (!Number.isFinite(value)) return [];
      const past = earlier.get(key) ?? 0;
      return [{ key, le: series.labels['le'] ?? '', increase: value >= past ? value - past : value }];
    });
  });
}

function selected({ series }: EngineSnapshot, { name, labels }: SeriesSelection): EngineSeries[] {
  const wanted = Object.entries(labels);
  return series.filter((one) => one.name === name && wanted.every(([label, value]) => one.labels[label] === value));
}

function keyOf({ labels }: EngineSeries): string {
  return JSON.stringify(Object.entries(labels).sort(([left], [right]) => (left < right ? -1 : 1)));
}
