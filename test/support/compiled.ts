import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { transformSync } from '@swc/core';

const ROOT = join(__dirname, '..', '..');

/**
 * Compiles folders or files of the sources as they are now and returns the folder with the result: a test that starts a
 * process never runs an old build. The folder's name is the digest of the sources, so it is made once.
 */
export function compiled(paths: readonly string[]): string {
  const sources = paths
    .flatMap((path) => sourcesIn(join(ROOT, path)))
    .map((file) => ({ file, text: readFileSync(file, 'utf8') }));
  const hash = createHash('sha256');
  for (const { file, text } of sources) hash.update(`${relative(ROOT, file)}\0${text}\0`);
  const target = join(ROOT, '.cache', 'compiled', hash.digest('hex').slice(0, 24));
  if (existsSync(target)) return target;
  const making = `${target}.${process.pid}`;
  for (const { file, text } of sources) {
    const out = join(making, relative(ROOT, file).replace(/\.ts$/, '.js'));
    mkdirSync(dirname(out), { recursive: true });
    const { code } = transformSync(text, {
      filename: file,
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs' },
      sourceMaps: 'inline',
    });
    writeFileSync(out, code);
  }
  try {
    renameSync(making, target);
  } catch (error) {
    // Another test process made the same folder meanwhile.
    rmSync(making, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

function sourcesIn(path: string): string[] {
  if (path.endsWith('.ts')) return [path];
  return readdirSync(path, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? sourcesIn(join(path, entry.name)) : [join(path, entry.name)]))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .sort();
}
