/** One hour of one version: index since the epoch, and the mean of each metric that had enough samples. */
export interface Hour {
  readonly hour: number;
  readonly means: Readonly<Record<string, number>>;
}

/** As the hours travel in the workflow's state: names once, then a row an hour; null where a metric was not measured. */
type Packed = readonly [names: readonly string[], ...rows: readonly (readonly (number | null)[])[]];

/** The state of all hours travels in the workflow. */
const STATE_BYTES = 7_500;

/** So many hours fit, with eleven metrics whose names have sixty letters; with fewer or shorter ones more. */
export const HOURS_THAT_FIT = 72;

/** The newest hours that fit. */
export function packHours(hours: readonly Hour[]): unknown {
  const names = [...new Set(hours.flatMap(({ means }) => Object.keys(means)))];
  const rows = hours.map(({ hour, means }) => [hour, ...names.map((name) => means[name] ?? null)]);
  let bytes = JSON.stringify([names]).length;
  let kept = rows.length;
  while (kept > 0 && bytes + rowBytes(rows[kept - 1]) <= STATE_BYTES) {
    bytes += rowBytes(rows[kept - 1]);
    kept -= 1;
  }
  return [names, ...rows.slice(kept)] satisfies Packed;
}

/** Nothing for what this code did not write: the hours of the last day are read again. */
export function unpackHours(value: unknown): Hour[] {
  if (!Array.isArray(value) || !value.every(Array.isArray)) return [];
  const [names, ...rows] = value as unknown as Packed;
  return rows.map(([hour, ...values]) => ({
    hour: hour ?? 0,
    means: Object.fromEntries(
      names.flatMap((name, index) => {
        const mean = values[index];
        return typeof mean === 'number' ? [[name, mean]] : [];
      }),
    ),
  }));
}

function rowBytes(row: unknown): number {
  return JSON.stringify(row).length + 1;
}
