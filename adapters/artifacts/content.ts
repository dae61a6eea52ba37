import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ArtifactProblem } from '../../domain/version';
import { hasCode } from '../disk/atomic-file';
import {
  evaluationSchema,
  parseFile,
  parseManifest,
  probesSchema,
  profileSchema,
  type Manifest,
  type ManifestFile,
  type Parsed,
} from './manifest';
import { codeIn, type CodeFormat } from './formats/code-format';
import { MANIFEST } from './paths';
import { safetensorsProblems } from './safetensors';

const BLOCK_BYTES = 1024 * 1024;
const LIMIT_JSON_BYTES = 4 * 1024 * 1024;

/** Size limits of one artifact; a sparse file of a terabyte costs nothing to offer and everything to read. */
export interface ArtifactLimits {
  readonly fileBytes: number;
  readonly totalBytes: number;
}

export const defaultLimits: ArtifactLimits = { fileBytes: 64 * 1024 ** 3, totalBytes: 256 * 1024 ** 3 };

/** Formats that may run code of their author and are taken all the same. */
export type AllowedFormats = readonly CodeFormat[];

export function limitProblems(manifest: Manifest, limits: ArtifactLimits): ArtifactProblem[] {
  const problems: ArtifactProblem[] = manifest.files
    .filter((file) => file.bytes > limits.fileBytes)
    .map(({ path, bytes }) => ({
      path,
      problem: 'invalid',
      expected: `at most ${limits.fileBytes} bytes`,
      found: `${bytes} bytes`,
    }));
  const total = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  if (total > limits.totalBytes) {
    const expected = `at most ${limits.totalBytes} bytes in all`;
    problems.push({ path: MANIFEST, problem: 'invalid', expected, found: `${total} bytes` });
  }
  return problems;
}

/** Opens a regular file without following a link and without waiting for the other end of a pipe. */
async function openPlain(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const status = await file.stat();
  if (status.isFile()) return file;
  await file.close();
  throw Object.assign(new Error('not a regular file'), { code: 'ENOTFILE' });
}

/**
 * Reads one listed file whole, comparing size and SHA-256; copies it to `target` on the way when one is given. Reads at
 * most one byte more than the manifest says: a file that grows meanwhile does not fill the disk.
 */
export async function checkFile(
  root: string,
  listed: ManifestFile,
  target: string | null,
  allowed: AllowedFormats,
): Promise<ArtifactProblem[]> {
  const { path, bytes, sha256 } = listed;
  let source: FileHandle;
  try {
    source = await openPlain(join(root, path));
  } catch (fault) {
    return [openProblem(path, bytes, fault)];
  }
  try {
    if (target !== null) await mkdir(dirname(join(target, path)), { recursive: true });
    const copy = target === null ? null : await open(join(target, path), 'wx+', 0o600);
    try {
      const found = await pump(source, copy, bytes);
      if (copy !== null) {
        await copy.sync();
        await copy.chmod(0o444);
      }
      if (found.bytes !== bytes) {
        const problem = found.bytes < bytes ? 'truncated' : 'changed';
        const said = found.bytes > bytes ? 'more' : `${found.bytes} bytes`;
        return [{ path, problem, expected: `${bytes} bytes`, found: said }];
      }
      if (found.sha256 !== sha256) return [{ path, problem: 'changed', expected: sha256, found: found.sha256 }];
      // From the copy: the source may be swapped after its bytes were hashed.
      return await contentProblems(listed, copy ?? source, allowed);
    } finally {
      await copy?.close();
    }
  } finally {
    await source.close();
  }
}

async function pump(
  source: FileHandle,
  copy: FileHandle | null,
  limit: number,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let bytes = 0;
  for (;;) {
    const { bytesRead } = await source.read(block, 0, Math.min(BLOCK_BYTES, limit + 1 - bytes), bytes);
    if (bytesRead === 0) break;
    hash.update(block.subarray(0, bytesRead));
    if (copy !== null) await copy.writeFile(block.subarray(0, bytesRead));
    bytes += bytesRead;
    if (bytes > limit) break;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** What a manifest says of a file, read from the file itself; its content is checked as an import checks it. */
export async function describeFile(
  root: string,
  path: string,
  role: ManifestFile['role'],
  limits: ArtifactLimits,
  allowed: AllowedFormats,
): Promise<{ listed: ManifestFile; warnings: ArtifactProblem[] } | { problems: ArtifactProblem[] }> {
  let file: FileHandle;
  try {
    file = await openPlain(join(root, path));
  } catch (fault) {
    return { problems: [openProblem(path, 0, fault)] };
  }
  try {
    const { bytes, sha256 } = await pump(file, null, limits.fileBytes);
    const listed = { path, sha256, bytes, role };
    const problems = await contentProblems(listed, file, allowed);
    if (problems.length > 0) return { problems };
    // What is only let in because its format is allowed here.
    return { listed, warnings: allowed.length === 0 ? [] : await contentProblems(listed, file, []) };
  } finally {
    await file.close();
  }
}

function openProblem(path: string, bytes: number, fault: unknown): ArtifactProblem {
  const expected =
    path === MANIFEST ? 'a manifest; `lastgood artifacts manifest DIRECTORY` writes one' : `a file of ${bytes} bytes`;
  if (hasCode(fault, 'ENOENT') || hasCode(fault, 'ENOTDIR'))
    return { path, problem: 'missing', expected, found: 'nothing' };
  if (hasCode(fault, 'ELOOP')) return { path, problem: 'link', expected, found: 'a symbolic link' };
  const found = fault instanceof Error ? fault.message : String(fault);
  return { path, problem: hasCode(fault, 'ENOTFILE') ? 'invalid' : 'unreadable', expected, found };
}

async function contentProblems(
  listed: ManifestFile,
  file: FileHandle,
  allowed: AllowedFormats,
): Promise<ArtifactProblem[]> {
  const code = allowed.includes('pickle') ? null : await codeIn(listed, file);
  if (code === null) return await structureProblems(listed, file);
  const expected =
    'a format that runs no code of its author, such as safetensors (or artifacts.allowFormats: [pickle])';
  return [{ path: listed.path, problem: 'invalid', expected, found: code }];
}

/** In words, why a file that was let in may run code of its author; null where nothing says so, or it cannot be read. */
export async function codeInFile(root: string, listed: ManifestFile): Promise<string | null> {
  const file = await openPlain(join(root, listed.path)).catch(() => null);
  if (file === null) return null;
  try {
    return await codeIn(listed, file);
  } finally {
    await file.close();
  }
}

async function structureProblems(listed: ManifestFile, file: FileHandle): Promise<ArtifactProblem[]> {
  switch (listed.role) {
    case 'weights':
    case 'adapter':
      return listed.path.endsWith('.safetensors') ? safetensorsProblems(listed.path, file, listed.bytes) : [];
    case 'evaluation':
      return jsonProblems(listed, file, (bytes) => parseFile(listed.path, bytes, evaluationSchema));
    case 'probes':
      return jsonProblems(listed, file, (bytes) => parseFile(listed.path, bytes, probesSchema));
    case 'profile':
      return jsonProblems(listed, file, (bytes) => parseFile(listed.path, bytes, profileSchema));
    case 'tokenizer':
    case 'preprocessing':
    case 'other':
      return [];
  }
}

async function jsonProblems<T>(
  listed: ManifestFile,
  file: FileHandle,
  parse: (bytes: Uint8Array) => Parsed<T>,
): Promise<ArtifactProblem[]> {
  const { path, bytes } = listed;
  if (bytes > LIMIT_JSON_BYTES) return [tooLong(path, bytes)];
  const content = Buffer.alloc(bytes);
  await file.read(content, 0, bytes, 0);
  const parsed = parse(content);
  return 'problems' in parsed ? parsed.problems : [];
}

function tooLong(path: string, bytes: number): ArtifactProblem {
  return { path, problem: 'invalid', expected: `at most ${LIMIT_JSON_BYTES} bytes`, found: `${bytes} bytes` };
}

/** Reads a small file of an artifact whole. */
export async function readSmall(
  root: string,
  path: string,
): Promise<{ bytes: Buffer } | { problems: ArtifactProblem[] }> {
  let file: FileHandle;
  try {
    file = await openPlain(join(root, path));
  } catch (fault) {
    return { problems: [openProblem(path, 0, fault)] };
  }
  try {
    const { size } = await file.stat();
    return size > LIMIT_JSON_BYTES ? { problems: [tooLong(path, size)] } : { bytes: await file.readFile() };
  } finally {
    await file.close();
  }
}

export async function readManifest(root: string): Promise<Parsed<Manifest> & { bytes?: Buffer }> {
  const read = await readSmall(root, MANIFEST);
  if ('problems' in read) return read;
  return { ...parseManifest(read.bytes), bytes: read.bytes };
}
