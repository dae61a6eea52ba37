/** One number of an exporter. */
export interface ExposedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** NaN and the infinities come as they are; who reads them takes them for unmeasured. */
  readonly value: number;
}

/** What answered does not speak the text format of Prometheus' exporters. */
export class ExpositionRefused extends Error {
  override readonly name = 'ExpositionRefused';
}

const SAMPLES_MAX = 20_000;
const LINE = /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+(?:\.\d+)?)?\s*(?:#.*)?$/;
const LABEL = /\s*([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"\s*,?/y;

/**
 * The samples with one of the wanted names, of the text format (version 0.0.4, OpenMetrics alike). Lines that are none are
 * passed over when others are some; a text without any line of the format is refused.
 */
export function parseExposition(text: string, wanted: ReadonlySet<string>): ExposedSample[] {
  const samples: ExposedSample[] = [];
  let understood = 0;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels, number] = LINE.exec(line) ?? [];
    if (name === undefined || number === undefined) continue;
    understood += 1;
    if (!wanted.has(name)) continue;
    if (samples.length >= SAMPLES_MAX)
      throw new ExpositionRefused(`more than ${SAMPLES_MAX} series of the wanted names`);
    const value = numberOf(number);
    if (value !== null) samples.push({ name, labels: labelsOf(labels ?? ''), value });
  }
  if (understood === 0)
    throw new ExpositionRefused(`found ${JSON.stringify(text.slice(0, 60))}, expected an exporter's text format`);
  return samples;
}

function numberOf(text: string): number | null {
  if (text === '+Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  if (text === 'NaN') return NaN;
  const value = Number(text);
  return Number.isNaN(value) ? null : value;
}

function labelsOf(text: string): Record<string, string> {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  for (let match = LABEL.exec(text); match !== null; match = LABEL.exec(text)) {
    const [, name, value] = match;
    labels.set(
      name ?? '',
      (value ?? '').replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)),
    );
  }
  return Object.fromEntries(labels);
}
