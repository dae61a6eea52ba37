import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Contradiction } from './cross-checks';
import type { ConfigurationText } from './schema';

/** Views of the kernel: nothing can be created there, and Node's recursive mkdir tries for ever. */
const VIRTUAL = /^\/(proc|sys)(\/|$)/;

/** Directories that are made when they are first needed, and never could be. */
export function directoryProblems(text: ConfigurationText, here: string): Contradiction[] {
  const named = [
    { path: ['dataDir'], value: text.dataDir },
    { path: ['artifacts', 'directory'], value: text.artifacts.directory },
  ];
  return named.flatMap(({ path, value }) => {
    const problem = value === undefined ? null : whyNoDirectory(resolve(here, value));
    return problem === null ? [] : [{ path, problem }];
  });
}

function whyNoDirectory(path: string): string | null {
  if (VIRTUAL.test(path)) return `found ${path}, expected a directory on a disk`;
  for (let place = path; ; place = dirname(place)) {
    const kind = kindOf(place);
    if (kind === 'directory') return null;
    if (kind === 'other') return `found ${path}, but ${place} is a file, expected a directory`;
    if (place === dirname(place)) return null;
  }
}

function kindOf(path: string): 'directory' | 'other' | 'missing' {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'other';
  } catch {
    return 'missing';
  }
}
