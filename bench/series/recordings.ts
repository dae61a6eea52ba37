import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { NotMeasured } from '../report';

/** One recorded series. `values` holds NaN where nothing was measured; `labels` is there only where the file has them. */
export interface Recording {
  /** Path below the data folder with forward slashes, `realTraffic/speed_6005.csv`. */
  readonly name: string;
  readonly times: readonly number[];
  readonly values: readonly number[];
  readonly labels: readonly boolean[];
}

/** The folder `name` in `dataDir`, or `dataDir` itself when it has `inside`; throws {@link NotMeasured} without either. */
export function dataFolder(dataDir: string | undefined, name: string, inside: (folder: string) => boolean): string {
  if (dataDir === undefined) throw new NotMeasured(`--data DIR is needed: the folder that holds ${name}/`);
  const found = [join(dataDir, name), dataDir].find((folder) => existsSync(folder) && inside(folder));
  if (found === undefined) throw new NotMeasured(`${dataDir}: found neither ${name}/ nor its layout`);
  return found;
}

/** All `.csv` files below a folder, sorted by name: time, value, and a label where there is a third column. */
export function readRecordings(folder: string): Recording[] {
  return csvFiles(folder).map((file) => ({
    name: relative(folder, file).split(sep).join('/'),
    ...parseRecording(readFileSync(file, 'utf8')),
  }));
}

export function csvFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.csv'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Rows without a readable time are left out; a value that is no number is NaN. */
export function parseRecording(text: string): Pick<Recording, 'times' | 'values' | 'labels'> {
  const rows = text
    .split(/\r?\n/)
    .slice(1)
    .map((line) => line.replaceAll('"', '').split(','))
    .map(([time = '', value = '', label = '']) => ({ atMs: timeOf(time), value: numberOf(value), label }))
    .filter(({ atMs }) => Number.isFinite(atMs));
  return {
    times: rows.map(({ atMs }) => atMs),
    values: rows.map(({ value }) => value),
    labels: rows.map(({ label }) => Number(label) > 0),
  };
}

/** `2014-07-01 00:30:00`, with fractions of a second or a zone, as UTC where none is given; ms since epoch or NaN. */
export function timeOf(text: string): number {
  const iso = text.trim().replace(' ', 'T');
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(iso) ? iso : `${iso}Z`);
}

function numberOf(text: string): number {
  return text.trim() === '' ? NaN : Number(text);
}
