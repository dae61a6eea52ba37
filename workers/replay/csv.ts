import type { OutsideValue } from '../../domain/detection/outside-metric';
import type { CountsRow } from '../../gateway/protocol';
import { RecordRefused } from './record-error';
import { RECORDED, type Recorded } from './recording';

const REQUEST_RATES = new Set(['error-rate', 'timeout-rate', 'malformed-rate']);
const LATENCY = 'latency-p95';
const PROBLEMS_MAX = 10;
const LINES_MAX = 2_000_000;

interface Line {
  readonly atMs: number;
  readonly metric: string;
  readonly value: number;
  readonly n: number | null;
  readonly version: string;
}

/**
 * Recorded values: `time,metric,value,n[,version]` with that header; time in ISO 8601 (UTC without a zone) or
 * milliseconds. An empty value or NaN was not measured. Metrics: the rates, `accuracy`, `recall:<class>` and `latency-p95`
 * (these need `n`), and whatever the service declares. Throws {@link RecordRefused} with every place.
 */
export function readCsv(text: string, declared: ReadonlySet<string>): Recorded {
  const [header = '', ...lines] = text.split(/\r?\n/);
  const columns = header
    .trim()
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  if (columns.slice(0, 3).join(',') !== 'time,metric,value')
    throw new RecordRefused(`line 1: found "${header.slice(0, 60)}", expected time,metric,value,n,version`);
  if (lines.length > LINES_MAX) throw new RecordRefused(`found ${lines.length} lines, expected at most ${LINES_MAX}`);
  const problems: string[] = [];
  let unmeasured = 0;
  const read = lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    const found = readLine(line, columns, declared);
    if (found === null) unmeasured += 1;
    else if (typeof found === 'string') problems.push(`line ${index + 2}: ${found}`);
    else return [found];
    return [];
  });
  if (problems.length > 0) {
    const more = problems.length > PROBLEMS_MAX ? [`and ${problems.length - PROBLEMS_MAX} more`] : [];
    throw new RecordRefused([...problems.slice(0, PROBLEMS_MAX), ...more].join('\n'));
  }
  const notes = unmeasured > 0 ? [`${unmeasured} values of the file are no numbers: not measured`] : [];
  return { rows: rowsOf(read, declared), values: valuesOf(read, declared), notes };
}

/** Null: not measured. A text: what is wrong. */
function readLine(line: string, columns: readonly string[], declared: ReadonlySet<string>): Line | string | null {
  const cells = line.split(',').map((cell) => cell.trim());
  const cell = (name: string): string => cells[columns.indexOf(name)] ?? '';
  const atMs = momentOf(cell('time'));
  if (atMs === null) return `time: found "${cell('time')}", expected a moment such as 2026-05-01T12:00:00Z`;
  const metric = cell('metric');
  if (cell('value') === '' || /^nan$/i.test(cell('value'))) return null;
  const value = Number(cell('value'));
  if (!Number.isFinite(value)) return `value: found "${cell('value')}", expected a finite number`;
  const n = cell('n') === '' ? null : Number(cell('n'));
  if (n !== null && !(Number.isFinite(n) && n >= 1)) return `n: found "${cell('n')}", expected a number of at least 1`;
  const isShare = REQUEST_RATES.has(metric) || isLabelled(metric);
  if (!declared.has(metric) && !isShare && metric !== LATENCY)
    return `metric: found "${metric}", expected error-rate, timeout-rate, malformed-rate, accuracy, recall:CLASS, latency-p95${[...declared].map((name) => `, ${name}`).join('')}`;
  if (!declared.has(metric) && n === null)
    return `n: is missing, expected how many ${isLabelled(metric) ? 'labels' : 'requests'} are behind ${metric}`;
  if (isShare && (value < 0 || value > 1)) return `value: found ${value}, expected 0 to 1 for ${metric}`;
  return { atMs, metric, value, n, version: cell('version') || RECORDED };
}

function isLabelled(metric: string): boolean {
  return metric === 'accuracy' || /^recall:.+/.test(metric);
}

function momentOf(text: string): number | null {
  if (/^\d{12,14}$/.test(text)) return Number(text);
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return null;
  const ms = Date.parse(
    /(Z|[+-]\d{2}:?\d{2})$/.test(text) ? text : `${text.replace(' ', 'T')}${text.length > 10 ? 'Z' : ''}`,
  );
  return Number.isNaN(ms) ? null : ms;
}

function valuesOf(lines: readonly Line[], declared: ReadonlySet<string>): Map<string, OutsideValue[]> {
  const values = new Map<string, OutsideValue[]>();
  for (const { atMs, metric, value, n } of lines) {
    if (!declared.has(metric)) continue;
    const known = values.get(metric);
    if (known) known.push({ atMs, value, n });
    else values.set(metric, [{ atMs, value, n }]);
  }
  for (const list of values.values()) list.sort((left, right) => left.atMs - right.atMs);
  return values;
}

/** One row of counts for each line; of two lines on one metric, moment and version the later one counts. */
function rowsOf(lines: readonly Line[], declared: ReadonlySet<string>): CountsRow[] {
  const byKey = new Map<string, Line>();
  for (const line of lines)
    if (!declared.has(line.metric)) byKey.set(`${line.atMs}|${line.metric}|${line.version}`, line);
  return [...byKey.values()]
    .sort((left, right) => left.atMs - right.atMs)
    .map((line, index) => ({ ...emptyRow(line, index + 1), ...countsOf(line) }));
}

/** A second of a live version in which nothing was asked. */
export function emptyRow({ atMs, version }: Pick<Line, 'atMs' | 'version'>, seq: number): CountsRow {
  return {
    kind: 'counts',
    seq,
    fromMs: atMs,
    toMs: atMs + 1_000,
    version,
    epoch: 1,
    cohort: 'live',
    requests: 0,
    failures: 0,
    timeouts: 0,
    clientErrors: 0,
    malformed: 0,
    repeated: 0,
    cut: 0,
    latency: null,
    predicted: {},
    scoreSum: 0,
    scoreCount: 0,
    labels: {},
  };
}

function countsOf({ metric, value, n }: Line): Partial<CountsRow> {
  const count = Math.round(n ?? 1);
  const hits = Math.round(value * count);
  if (metric === 'error-rate') return { requests: count, failures: hits };
  if (metric === 'timeout-rate') return { requests: count, timeouts: hits };
  if (metric === 'malformed-rate') return { requests: count, malformed: hits };
  if (metric === LATENCY)
    return { latency: { count, sumMs: value * count, p50Ms: value, p95Ms: value, p99Ms: value, maxMs: value } };
  const label = metric === 'accuracy' ? '(all)' : metric.slice('recall:'.length);
  return { labels: { [label]: { n: count, correct: hits } } };
}
