import type { EngineSeries, EngineSnapshot, EngineType } from '../../domain/detection/engine-reading';

/** The answer is no list of metrics in Prometheus' text form. */
export class ExpositionRefused extends Error {
  override readonly name = 'ExpositionRefused';
}

const PARTS = ['_bucket', '_sum', '_count'];
const TYPES: ReadonlySet<string> = new Set<EngineType>(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+(?:\.\d+)?)?\s*(?:#.*)?$/;
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)/y;
/** Series of the wanted names; more is a server whose labels have no end. */
const SERIES_MAX = 20_000;

/**
 * The wanted names of Prometheus' text form (0.0.4; OpenMetrics' lines are read as well), with the parts that a histogram
 * or summary of the name has. Rejects with {@link ExpositionRefused} when the text is something else.
 */
export function readExposition(text: string, wanted: ReadonlySet<string>, atMs: number): EngineSnapshot {
  const types = new Map<string, EngineType>();
  const series: EngineSeries[] = [];
  let lines = 0;
  let begin = 0;
  while (begin < text.length) {
    const lf = text.indexOf('\n', begin);
    const line = text.slice(begin, lf < 0 ? text.length : lf).trim();
    begin = lf < 0 ? text.length : lf + 1;
    if (line === '') continue;
    lines += 1;
    if (line.startsWith('#')) {
      const [, word, name = '', type = ''] = line.split(/\s+/);
      // OpenMetrics names a counter without its `_total`.
      if (word === 'TYPE' && (wanted.has(name) || wanted.has(`${name}_total`)))
        types.set(name, TYPES.has(type) ? (type as EngineType) : 'untyped');
      continue;
    }
    if (!isWanted(nameOf(line), wanted)) {
      // The first line that is no comment tells a page of HTML from metrics.
      if (lines < 3 && !SAMPLE.test(line)) throw notMetrics(line);
      continue;
    }
    const found = sampleOf(line);
    if (found === null) throw notMetrics(line);
    if (series.length >= SERIES_MAX)
      throw new ExpositionRefused(`more than ${SERIES_MAX} series of ${[...wanted].join(', ')}`);
    series.push(found);
  }
  if (lines === 0) throw new ExpositionRefused('found nothing, expected metrics in Prometheus’ text form');
  return { atMs, types, series };
}

function nameOf(line: string): string {
  return /^[a-zA-Z0-9_:]*/.exec(line)?.[0] ?? '';
}

function isWanted(name: string, wanted: ReadonlySet<string>): boolean {
  return wanted.has(name) || PARTS.some((part) => name.endsWith(part) && wanted.has(name.slice(0, -part.length)));
}

function sampleOf(line: string): EngineSeries | null {
  const match = SAMPLE.exec(line);
  const [, name, inner = '', text = ''] = match ?? [];
  if (name === undefined) return null;
  const labels = labelsOf(inner);
  const value = numberOf(text);
  return labels === null || value === null ? null : { name, labels, value };
}

function labelsOf(inner: string): Record<string, string> | null {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < inner.length) {
    const match = LABEL.exec(inner);
    if (match === null) return inner.trim() === '' ? labels : null;
    const [, name = '', value = ''] = match;
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}

/** NaN is a value here: a gauge may have none. */
function numberOf(text: string): number | null {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return NaN;
  const value = Number(text);
  return Number.isNaN(value) ? null : value;
}

function notMetrics(line: string): ExpositionRefused {
  const found = JSON.stringify(line.slice(0, 80));
  return new ExpositionRefused(`found the line ${found}, expected metrics in Prometheus’ text form`);
}
