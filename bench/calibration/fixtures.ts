import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NotMeasured } from '../report';

type Numbers = readonly number[];

/** Expected numbers of scipy, river and Evidently, with their inputs: `statistics/fixtures.json` of the data directory. */
export interface Fixtures {
  readonly river: Readonly<Record<string, Readonly<Record<string, Numbers>>>>;
  readonly river_binary_on_bern: Readonly<Record<string, Numbers>>;
  readonly charts_first_alarm: Readonly<Record<string, Readonly<Record<string, number | null>>>>;
  readonly two_sample: Readonly<Record<string, TwoSample>>;
  readonly normal: {
    readonly z: Numbers;
    readonly cdf: Numbers;
    readonly sf: Numbers;
    readonly ppf: Readonly<Record<string, number>>;
  };
  readonly binom: Readonly<Record<string, { readonly wilson95: Numbers; readonly cp95: Numbers }>>;
  readonly trend: { readonly x: Numbers; readonly theilsen: Numbers; readonly kendall: Numbers };
  readonly streams: Readonly<Record<string, Numbers>>;
}

export interface TwoSample {
  readonly a: Numbers;
  readonly b: Numbers;
  readonly psi_decile_counts: readonly [reference: Numbers, current: Numbers];
}

const PARTS = ['river', 'river_binary_on_bern', 'charts_first_alarm', 'two_sample', 'normal', 'binom', 'trend', 'page_trend_theilsen', 'streams', 'versions']; // prettier-ignore

export function readFixtures(dataDir: string): Fixtures {
  const file = join(dataDir, 'statistics', 'fixtures.json');
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new NotMeasured(`${file}: ${(error as Error).message}`);
  }
  const found = typeof data === 'object' && data !== null ? Object.keys(data) : [];
  const odd = [...found.filter((key) => !PARTS.includes(key)), ...PARTS.filter((key) => !found.includes(key))];
  if (odd.length > 0) throw new NotMeasured(`${file}: unknown or missing parts: ${odd.join(', ')}`);
  return data as Fixtures;
}

const TOLERANCE = 1e-9;

/** Numbers to 1e-9 of their size, whole numbers and lists of indices alike; lists and records entry by entry. */
export function agrees(wanted: unknown, got: unknown): boolean {
  if (typeof wanted === 'number' && typeof got === 'number') {
    return Number.isFinite(got) && Math.abs(got - wanted) <= TOLERANCE * Math.abs(wanted);
  }
  if (typeof wanted !== 'object' || wanted === null || typeof got !== 'object' || got === null) return wanted === got;
  const keys = Object.keys(wanted);
  return (
    keys.length === Object.keys(got).length &&
    keys.every((key) => agrees((wanted as Record<string, unknown>)[key], (got as Record<string, unknown>)[key]))
  );
}
