import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { hasCode, isMissing, syncDirectory } from '../../disk/atomic-file';
import { ServingRefused } from '../errors';
import type { PlacedFile } from './records';

/** A file of the verified artifact, as its manifest lists it. */
export interface ListedFile {
  /** Below the artifact, with `/`. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

export interface Placing {
  /** The verified, read-only directory of the version. */
  readonly artifact: string;
  readonly files: readonly ListedFile[];
  /** Only what is below this path of the artifact is placed, without it; empty: everything. */
  readonly subdirectory: string;
  /** `<repository>/<model>`. */
  readonly model: string;
  readonly number: number;
}

/**
 * Triton's Python backend writes this directory beside the files at the first load, whatever its environment says, and the
 * next load takes that for a change of the version: the live one would be loaded again, into twice the memory. Where a file
 * has the name already, Python goes on without.
 */
const PYTHON_CACHE = '__pycache__';
const BLOCK_BYTES = 1024 * 1024;
const CHANGES_MAX = 3;

export function versionDirectory(model: string, number: number): string {
  return join(model, String(number));
}

/**
 * Copies the version's files to `<model>/<number>`: written beside it, hashed from the copy, compared with the manifest,
 * renamed. Copies, no hard links: whoever writes into the repository must not change the artifact.
 */
export async function placeVersion(placing: Placing, signal?: AbortSignal): Promise<PlacedFile[]> {
  const { model, number } = placing;
  const chosen = chosenFiles(placing);
  const part = join(model, `.lastgood-${number}`);
  const target = versionDirectory(model, number);
  await refusing(`write into ${model}`, async () => {
    await rm(part, { recursive: true, force: true });
    await mkdir(part);
  });
  try {
    const placed: PlacedFile[] = [];
    for (const { from, path, sha256, bytes } of chosen) {
      signal?.throwIfAborted();
      const copy = join(part, path);
      await mkdir(dirname(copy), { recursive: true, mode: 0o755 });
      await copyPlain(from, copy);
      const found = await hashOf(copy);
      if (found.sha256 !== sha256 || found.bytes !== bytes)
        throw new ServingRefused(
          `${from}: copied as ${found.bytes} bytes with SHA-256 ${found.sha256}, its manifest says ${bytes} bytes with ${sha256}`,
        );
      placed.push({ path, bytes, sha256, mtimeMs: (await lstat(copy)).mtimeMs });
    }
    await settle(part);
    await rm(target, { recursive: true, force: true });
    await rename(part, target);
    await syncDirectory(model);
    return placed;
  } catch (fault) {
    await rm(part, { recursive: true, force: true });
    throw fault;
  }
}

export async function removeVersion(model: string, number: number): Promise<void> {
  await rm(versionDirectory(model, number), { recursive: true, force: true });
  await rm(join(model, `.lastgood-${number}`), { recursive: true, force: true });
}

/**
 * What is not as it was placed, in words; an empty list: all of it. `quick` hashes only files whose size or time changed.
 * What Python leaves behind (`__pycache__`) is no change.
 */
export async function changesOf(
  directory: string,
  files: readonly PlacedFile[],
  how: 'quick' | 'whole',
): Promise<string[]> {
  const changes: string[] = [];
  const known = new Set(files.map(({ path }) => path));
  for (const { path, bytes, sha256, mtimeMs } of files) {
    const file = join(directory, path);
    try {
      const found = await lstat(file);
      if (!found.isFile()) changes.push(`${path} is no file any more`);
      else if (found.size !== bytes) changes.push(`${path} has ${found.size} bytes instead of ${bytes}`);
      else if ((how === 'whole' || found.mtimeMs !== mtimeMs) && (await hashOf(file)).sha256 !== sha256)
        changes.push(`${path} has another content`);
    } catch (fault) {
      if (!isMissing(fault)) throw fault;
      changes.push(`${path} is missing`);
    }
  }
  for (const path of await filesBelow(directory)) if (!known.has(path)) changes.push(`${path} was added`);
  return changes.length > CHANGES_MAX
    ? [...changes.slice(0, CHANGES_MAX), `and ${changes.length - CHANGES_MAX} more`]
    : changes;
}

/** Numbers of the model for which a directory is there. */
export async function placedNumbers(model: string): Promise<number[]> {
  const names = await readdir(model).catch((fault: unknown) => {
    if (isMissing(fault)) return [];
    throw fault;
  });
  return names.filter((name) => /^[1-9]\d{0,14}$/.test(name)).map(Number);
}

function chosenFiles({ artifact, files, subdirectory }: Placing): (ListedFile & { readonly from: string })[] {
  const below = subdirectory === '' ? '' : `${subdirectory.replace(/\/+$/, '')}/`;
  const chosen = files.filter(({ path }) => path.startsWith(below));
  if (chosen.length === 0)
    throw new ServingRefused(
      `${artifact}: its manifest lists no file below ${below || '/'}, so there is nothing to serve; serving.subdirectory names the part that Triton gets`,
    );
  const root = resolve(artifact);
  return chosen.map((listed) => {
    const from = resolve(root, listed.path);
    if (!from.startsWith(root + sep)) throw new ServingRefused(`${listed.path} leads out of the artifact`);
    return { ...listed, from, path: listed.path.slice(below.length) };
  });
}

/** A whole copy (or a clone, where the disk can) of a regular file, readable by whoever runs Triton. */
async function copyPlain(from: string, to: string): Promise<void> {
  if (!(await lstat(from)).isFile()) throw new ServingRefused(`${from} is not a regular file`);
  await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  await chmod(to, 0o444);
  const file = await open(to, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function hashOf(path: string): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const block = Buffer.allocUnsafe(BLOCK_BYTES);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, bytes);
      if (bytesRead === 0) return { sha256: hash.digest('hex'), bytes };
      hash.update(block.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Readable by whoever runs Triton, and no way for Python to write there. */
async function settle(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true });
  if (entries.some(({ name }) => name.endsWith('.py')) && !entries.some(({ name }) => name === PYTHON_CACHE))
    await writeFile(join(directory, PYTHON_CACHE), '', { flag: 'wx', mode: 0o444 });
  for (const entry of entries) if (entry.isDirectory()) await settle(join(directory, entry.name));
  await chmod(directory, 0o755);
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true }).catch((fault: unknown) => {
    if (isMissing(fault)) return [];
    throw fault;
  });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.split('/').includes(PYTHON_CACHE));
}

/** What this user may not do will not be allowed at the next attempt either. */
async function refusing(what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (fault) {
    if (!['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR'].some((code) => hasCode(fault, code))) throw fault;
    const said = fault instanceof Error ? fault.message : String(fault);
    throw new ServingRefused(
      `cannot ${what}: ${said}. lastgood needs a model repository on this host that its user may write (serving.repository)`,
      { cause: fault },
    );
  }
}

/** True when the directory of the model is there. */
export async function modelIsThere(model: string): Promise<boolean> {
  return stat(model).then(
    (found) => found.isDirectory(),
    (fault: unknown) => {
      if (isMissing(fault)) return false;
      throw fault;
    },
  );
}
