import { posix } from 'node:path';
import { pathProblem } from '../paths';
import { RegistryMissing, RegistryVersionRefused } from '../registry/errors';
import type { Git } from './git';
import { outputsOfDvcFile, outputsOfLock, type Output } from './outputs';
import { readTree, type Storage } from './storage';

/** A file of a commit: an object of DVC's storage, or a blob of Git. */
export type Tracked = { readonly path: string } & (
  | { readonly kind: 'dvc'; readonly object: string }
  | { readonly kind: 'git'; readonly blob: string; readonly bytes: number }
);

export interface Commit {
  /** For people. */
  readonly what: string;
  readonly commit: string;
}

const LIMIT_TEXT_BYTES = 4 * 1024 * 1024;
const LIMIT_LISTING_BYTES = 8 * 1024 * 1024;

/**
 * What stands at a path of a commit: one file (its path is then empty), or the files below it. Null: nothing. DVC is
 * asked first: by `PATH.dvc`, then by `dvc.lock`, each in every folder above; what DVC does not know may be in Git itself.
 */
export async function trackedAt(
  git: Git,
  storage: Storage,
  { what, commit }: Commit,
  path: string,
  signal: AbortSignal,
): Promise<Tracked[] | null> {
  const output = await outputAt(git, { what, commit }, path, signal);
  if (output === null) return await inGit(git, { what, commit }, path, signal);
  const below = path === output.path ? '' : path.slice(output.path.length + 1);
  if (!output.isDirectory) return below === '' ? [{ path: '', kind: 'dvc', object: output.md5 }] : null;
  const found = (await readTree(storage, `${what}: ${output.path}`, output.md5)).flatMap((entry): Tracked[] => {
    const object = { kind: 'dvc' as const, object: entry.md5 };
    if (below === '') return [{ ...object, path: entry.path }];
    if (entry.path === below) return [{ ...object, path: '' }];
    return entry.path.startsWith(`${below}/`) ? [{ ...object, path: entry.path.slice(below.length + 1) }] : [];
  });
  return found.length === 0 ? null : found;
}

async function outputAt(git: Git, { what, commit }: Commit, path: string, signal: AbortSignal): Promise<Output | null> {
  const covers = ({ path: tracked }: Output): boolean => path === tracked || path.startsWith(`${tracked}/`);
  for (let at = path; at !== '.'; at = posix.dirname(at)) {
    const file = `${at}.dvc`;
    const text = await git.file(commit, file, LIMIT_TEXT_BYTES, signal);
    const found = text && outputsOfDvcFile(`${what}: ${file}`, posix.dirname(at), text).find(covers);
    if (found) return found;
  }
  for (let folder = posix.dirname(path); ; folder = posix.dirname(folder)) {
    const file = posix.join(folder, 'dvc.lock');
    const text = await git.file(commit, file, LIMIT_TEXT_BYTES, signal);
    const found = text && outputsOfLock(`${what}: ${file}`, folder, text).find(covers);
    if (found) return found;
    if (folder === '.') return null;
  }
}

async function inGit(git: Git, { what, commit }: Commit, path: string, signal: AbortSignal): Promise<Tracked[] | null> {
  const args = ['ls-tree', '-r', '-z', '-l', '--full-tree', commit, '--', path];
  const listing = await git.run(args, { signal, limitBytes: LIMIT_LISTING_BYTES });
  const entries = listing
    .toString('utf8')
    .split('\0')
    .filter((line) => line !== '');
  if (entries.length === 0) return null;
  return entries.map((line) => {
    const [, mode = '', blob = '', size = '', full = ''] = /^(\d+) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line) ?? [];
    if (mode !== '100644' && mode !== '100755')
      throw new RegistryVersionRefused(`${what}: ${full} is a link or a submodule, expected a file`);
    const inside = full === path ? '' : full.slice(path.length + 1);
    const problem = inside === '' || inside === 'manifest.json' ? null : pathProblem(inside);
    if (problem !== null)
      throw new RegistryVersionRefused(`${what}: Git names ${problem.found}, expected ${problem.expected}`);
    return { kind: 'git', path: inside, blob, bytes: Number(size) };
  });
}

/** @throws RegistryMissing where the commit has nothing there */
export function orMissing(found: Tracked[] | null, { what }: Commit, path: string): Tracked[] {
  if (found !== null) return found;
  throw new RegistryMissing(`${what}: neither DVC (${path}.dvc, dvc.lock) nor Git has ${path} at that commit`);
}
