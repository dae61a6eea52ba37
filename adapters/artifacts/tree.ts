import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactProblem } from '../../domain/version';
import { MANIFEST, printable, SIGNATURE } from './paths';
import type { Manifest } from './manifest';

const LIMIT_ENTRIES = 20_000;
const LIMIT_DEPTH = 20;

/** Regular files below a directory (path → bytes); nothing is followed, everything else is a problem. */
export interface Tree {
  readonly files: ReadonlyMap<string, number>;
  readonly problems: ArtifactProblem[];
}

export async function readTree(root: string): Promise<Tree> {
  const files = new Map<string, number>();
  const problems: ArtifactProblem[] = [];
  let entries = 0;

  async function enter(folder: string, depth: number): Promise<void> {
    for (const raw of await readdir(join(root, folder), { encoding: 'buffer' })) {
      if (++entries > LIMIT_ENTRIES) return;
      const name = raw.toString('utf8');
      const path = folder === '' ? name : `${folder}/${name}`;
      if (!Buffer.from(name).equals(raw)) {
        problems.push({
          path: printable(path),
          problem: 'invalid',
          expected: 'a name in UTF-8',
          found: raw.toString('hex'),
        });
        continue;
      }
      const status = await lstat(join(root, path));
      if (status.isDirectory() && depth === LIMIT_DEPTH)
        problems.push({
          path: printable(path),
          problem: 'invalid',
          expected: `at most ${LIMIT_DEPTH} folders`,
          found: 'more',
        });
      else if (status.isDirectory()) await enter(path, depth + 1);
      else if (status.isSymbolicLink()) problems.push(link(path, 'a symbolic link'));
      else if (!status.isFile())
        problems.push({
          path: printable(path),
          problem: 'invalid',
          expected: 'a file',
          found: 'a device, pipe or socket',
        });
      // A file with a second name may be changed from outside the artifact.
      else if (status.nlink > 1) problems.push(link(path, `${status.nlink} hard links`));
      else files.set(path, status.size);
    }
  }

  await enter('', 0);
  if (entries > LIMIT_ENTRIES) {
    problems.push({
      path: '.',
      problem: 'invalid',
      expected: `at most ${LIMIT_ENTRIES} files and folders`,
      found: 'more',
    });
  }
  return { files, problems };
}

function link(path: string, found: string): ArtifactProblem {
  return { path: printable(path), problem: 'link', expected: 'a file with one name', found };
}

/** Names and sizes against the manifest; no byte of a file is read. */
export function compareTree(tree: Tree, manifest: Manifest): ArtifactProblem[] {
  const problems = [...tree.problems];
  const broken = new Set(tree.problems.map((problem) => problem.path));
  for (const { path, bytes } of manifest.files) {
    const found = tree.files.get(path);
    const expected = `${bytes} bytes`;
    if (found === undefined) {
      if (!broken.has(printable(path))) problems.push({ path, problem: 'missing', expected, found: 'nothing' });
    } else if (found !== bytes) {
      problems.push({ path, problem: found < bytes ? 'truncated' : 'changed', expected, found: `${found} bytes` });
    }
  }
  const listed = new Set(manifest.files.map((file) => file.path));
  for (const [path, bytes] of tree.files) {
    if (path !== MANIFEST && path !== SIGNATURE && !listed.has(path)) {
      problems.push({
        path: printable(path),
        problem: 'extra',
        expected: 'a file that the manifest lists',
        found: `${bytes} bytes`,
      });
    }
  }
  return problems;
}
