import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactProblem } from '../../domain/version';
import { isMissing, syncDirectory } from '../disk/atomic-file';
import { checkFile, limitProblems, readManifest, type AllowedFormats, type ArtifactLimits } from './content';
import { manifestDigest, type Manifest } from './manifest';
import { MANIFEST } from './paths';
import { compareTree, readTree } from './tree';

export interface Staged {
  readonly manifest: Manifest;
  readonly digest: string;
  readonly directory: string;
  /** The manifest as it was written: what a signature is over. */
  readonly manifestBytes: Buffer;
}

/**
 * Checks a directory and, where a `target` is given, copies it there. Nothing is believed of the source after it was
 * copied: what is hashed is what is written.
 */
export async function stage(
  source: string,
  target: string | null,
  limits: ArtifactLimits,
  allowed: AllowedFormats,
): Promise<Staged | { problems: ArtifactProblem[] }> {
  const read = await readManifest(source);
  if ('problems' in read) return read;
  const manifest = read.value;
  const cheap = [...limitProblems(manifest, limits), ...compareTree(await readTree(source), manifest)];
  if (cheap.length > 0) return { problems: cheap };
  if (target !== null) await mkdir(target, { recursive: true, mode: 0o700 });
  const problems: ArtifactProblem[] = [];
  for (const file of manifest.files) problems.push(...(await checkFile(source, file, target, allowed)));
  if (problems.length > 0) return { problems };
  const manifestBytes = read.bytes ?? Buffer.alloc(0);
  const staged = { manifest, digest: manifestDigest(manifest), directory: target ?? source, manifestBytes };
  if (target === null) return staged;
  await writeFile(join(target, MANIFEST), manifestBytes, { flag: 'wx', mode: 0o444, flush: true });
  await eachFolder(target, syncDirectory);
  return staged;
}

/** Problems of a stored object: the manifest against its digest, names and sizes, then every byte. */
export async function objectProblems(
  directory: string,
  digest: string,
  allowed: AllowedFormats,
): Promise<ArtifactProblem[]> {
  const read = await readManifest(directory);
  if ('problems' in read) return read.problems;
  const found = manifestDigest(read.value);
  if (found !== digest) return [{ path: MANIFEST, problem: 'changed', expected: digest, found }];
  const tree = compareTree(await readTree(directory), read.value);
  const broken = new Set(tree.map((problem) => problem.path));
  const problems = [...tree];
  for (const file of read.value.files) {
    if (!broken.has(file.path)) problems.push(...(await checkFile(directory, file, null, allowed)));
  }
  return problems;
}

/** Puts a staged directory in its place and makes it read-only. */
export async function publish(staged: string, object: string): Promise<void> {
  await rename(staged, object);
  await eachFolder(object, (folder) => chmod(folder, 0o555));
  await syncDirectory(join(object, '..'));
}

/** Takes a directory out of its place first, so that no half-deleted object is ever found there. */
export async function discard(directory: string, staging: string): Promise<void> {
  const doomed = join(staging, `discarded-${randomBytes(8).toString('hex')}`);
  try {
    // Moving a directory needs the right to write into it.
    await chmod(directory, 0o700);
    await rename(directory, doomed);
  } catch (fault) {
    if (isMissing(fault)) return;
    throw fault;
  }
  await eachFolder(doomed, (folder) => chmod(folder, 0o700));
  await rm(doomed, { recursive: true, force: true });
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (fault) {
    if (isMissing(fault)) return false;
    throw fault;
  }
}

async function eachFolder(folder: string, work: (folder: string) => Promise<void>): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await eachFolder(join(folder, entry.name), work);
  }
  await work(folder);
}
