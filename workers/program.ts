import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** The package's own directory, from the sources as well as from `dist/`. */
export function packageDirectory(): string {
  let dir = __dirname;
  while (!isOurs(dir)) {
    const parent = dirname(dir);
    if (parent === dir) throw new Error(`the package of ${__dirname} cannot be found`);
    dir = parent;
  }
  return dir;
}

/** Where the compiled programs are: the processes are always started from there, also by tests that run the sources. */
export function distDirectory(): string {
  return __filename.endsWith('.js') ? dirname(__dirname) : join(packageDirectory(), 'dist');
}

const manifest = z.object({ name: z.string(), version: z.string() });

export function packageVersion(): string {
  return manifest.parse(JSON.parse(readFileSync(join(packageDirectory(), 'package.json'), 'utf8'))).version;
}

function isOurs(dir: string): boolean {
  const file = join(dir, 'package.json');
  if (!existsSync(file)) return false;
  const parsed = manifest.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  return parsed.success && parsed.data.name === 'lastgood';
}
