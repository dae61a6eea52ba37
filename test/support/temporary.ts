import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

/** A new empty directory, removed by {@link removeTemporary}. */
export function temporaryDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `lastgood-${name}-`));
  made.push(directory);
  return directory;
}

export function removeTemporary(): void {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
}
