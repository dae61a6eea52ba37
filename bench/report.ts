import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

export type Better = 'lower' | 'higher' | 'zero';

/** One row of a benchmark. `value` null means that it could not be measured; then `why` says so. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly value: number | null;
  readonly target: number | null;
  readonly better: Better;
  readonly met: boolean | null;
  readonly n: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly peers: Readonly<Record<string, number | null>>;
  readonly why?: string;
}

export interface RowOptions {
  readonly target?: number;
  readonly better?: Better;
  readonly peers?: Readonly<Record<string, number | null>>;
}

export interface Report {
  readonly bench: string;
  readonly version: string;
  readonly machine: { readonly cores: number; readonly memGiB: number; readonly node: string };
  readonly seed: number;
  readonly policy: unknown;
  readonly rows: readonly Row[];
}

/** What a benchmark is given: its options as on the command line. */
export interface BenchOptions {
  readonly seed: number;
  readonly dataDir: string | undefined;
  /** All other options, `--seconds 5` as `seconds: '5'`, `--quick` as `quick: 'true'`. */
  readonly more: Readonly<Record<string, string>>;
  /** A line for people while it runs; on standard error. */
  readonly say: (line: string) => void;
}

export interface BenchResult {
  readonly policy: unknown;
  readonly rows: readonly Row[];
}

/** A benchmark; throws {@link NotMeasured} when it could not be made at all. */
export type Bench = (options: BenchOptions) => Promise<BenchResult>;

export class NotMeasured extends Error {
  override readonly name = 'NotMeasured';
}

/** An option that does not exist, or a value that it cannot have. */
export class BadUse extends Error {
  override readonly name = 'BadUse';
}

/** A row whose value is the median of the measured ones, with their range. */
export function medianRow(name: string, unit: string, values: readonly number[], options: RowOptions = {}): Row {
  if (values.length === 0) return missingRow(name, unit, 'no measurement was made', options);
  return row(name, unit, median(values), values, options);
}

/** A row whose value was computed from `of` (for its range and number). */
export function row(
  name: string,
  unit: string,
  value: number,
  of: readonly number[] = [value],
  options: RowOptions = {},
): Row {
  const better = options.better ?? 'lower';
  const target = options.target ?? (better === 'zero' ? 0 : null);
  return {
    name,
    unit,
    value: rounded(value),
    target,
    better,
    met: target === null ? null : isMet(value, target, better),
    n: of.length,
    min: rounded(Math.min(...of)),
    max: rounded(Math.max(...of)),
    peers: options.peers ?? {},
  };
}

export function missingRow(name: string, unit: string, why: string, options: RowOptions = {}): Row {
  const better = options.better ?? 'lower';
  const target = options.target ?? (better === 'zero' ? 0 : null);
  return {
    name,
    unit,
    value: null,
    target,
    better,
    met: null,
    n: 0,
    min: null,
    max: null,
    peers: options.peers ?? {},
    why,
  };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear interpolation between the two nearest ranks (Hyndman and Fan, type 7). */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export function makeReport(bench: string, seed: number, result: BenchResult): Report {
  const machine = { cores: cpus().length, memGiB: Math.round(totalmem() / 2 ** 30), node: process.versions.node };
  return { bench, version: describeVersion(), machine, seed, policy: result.policy, rows: result.rows };
}

/** A table for people. */
export function table(report: Report): string {
  const head = ['row', 'value', 'unit', 'target', 'met', 'n', 'min', 'max', 'peers'];
  const lines = report.rows.map((each) => [
    each.name,
    each.value === null ? `– (${each.why ?? ''})` : String(each.value),
    each.unit,
    each.target === null ? '' : `${each.better === 'higher' ? '≥' : each.better === 'zero' ? '=' : '≤'} ${each.target}`,
    each.met === null ? '' : each.met ? 'yes' : 'NO',
    String(each.n),
    each.min === null ? '' : String(each.min),
    each.max === null ? '' : String(each.max),
    Object.entries(each.peers)
      .map(([peer, value]) => `${peer} ${value ?? '–'}`)
      .join(', '),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)));
  const print = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const { cores, memGiB, node } = report.machine;
  const title = `${report.bench} ${report.version} · ${cores} cores, ${memGiB} GiB, Node ${node} · seed ${report.seed}`;
  return [title, `policy ${JSON.stringify(report.policy)}`, print(head), ...lines.map(print)].join('\n');
}

function isMet(value: number, target: number, better: Better): boolean {
  switch (better) {
    case 'lower':
      return value <= target;
    case 'higher':
      return value >= target;
    case 'zero':
      return value === 0;
  }
}

function rounded(value: number): number | null {
  if (!Number.isFinite(value)) return null;
  return Number(value.toPrecision(6));
}

function describeVersion(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--tags'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}
