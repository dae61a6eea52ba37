import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NotMeasured } from '../report';
import type { NabWindow } from './nab-scoring';
import { dataFolder, readRecordings, timeOf, type Recording } from './recordings';

const LABELS = 'labels/combined_windows.json';

export interface NabFile extends Recording {
  readonly windows: readonly NabWindow[];
}

/** The files below `data/` with their windows as record indices; a file that the labels do not name has none. */
export function readNab(dataDir: string | undefined): NabFile[] {
  const folder = dataFolder(dataDir, 'nab', (each) => existsSync(join(each, LABELS)) && existsSync(join(each, 'data')));
  const labels = JSON.parse(readFileSync(join(folder, LABELS), 'utf8')) as Record<string, [string, string][]>;
  const files = readRecordings(join(folder, 'data')).map((recording) => ({
    ...recording,
    windows: (labels[recording.name] ?? []).map((window) => indicesOf(recording, window)),
  }));
  if (!files.some((file) => file.windows.length > 0)) throw new NotMeasured(`${folder}: no file has a labelled window`);
  return files;
}

function indicesOf({ name, times }: Recording, [begin, end]: [string, string]): NabWindow {
  const first = times.findIndex((atMs) => atMs >= timeOf(begin));
  const last = times.findLastIndex((atMs) => atMs <= timeOf(end));
  if (first < 0 || last < first) throw new NotMeasured(`${name}: no record in the window ${begin} … ${end}`);
  return [first, last];
}
