import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
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

const manifest = z.object({
  name: z.string(),
  version: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
});

export function packageVersion(): string {
  return manifest.parse(JSON.parse(readFileSync(join(packageDirectory(), 'package.json'), 'utf8'))).version;
}

/** What these folders of `dist/` and the packages' versions are: another digest is another program. */
export function codeDigest(folders: readonly string[]): string {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const directory = join(distDirectory(), folder);
    const files = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
      .map((entry) => join(entry.parentPath, entry.name));
    for (const file of files.sort())
      hash
        .update(`${relative(directory, file)}\0`)
        .update(readFileSync(file))
        .update('\0');
  }
  const { dependencies } = manifest.parse(JSON.parse(readFileSync(join(packageDirectory(), 'package.json'), 'utf8')));
  return hash.update(JSON.stringify(dependencies)).digest('hex');
}

function isOurs(dir: string): boolean {
  const file = join(dir, 'package.json');
  if (!existsSync(file)) return false;
  const parsed = manifest.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  return parsed.success && parsed.data.name === 'lastgood';
}
