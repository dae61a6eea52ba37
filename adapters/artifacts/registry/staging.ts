import { randomBytes } from 'node:crypto';
import { mkdir, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sizeWords } from './words';
import { hasCode } from '../../disk/atomic-file';
import type { ArtifactLimits } from '../content';
import { clashes, pathProblem, printable } from '../paths';
import { RegistryNoRoom, RegistryTooSlow, RegistryVersionRefused } from './errors';
import type { RemoteFile, VersionSource } from './registry';

const LIMIT_FILES = 10_000;
/** Files that a registry need not announce with a size. */
const LIMIT_UNANNOUNCED_BYTES = 1024 ** 3;

/** Slower than this a line is not used: a connection that gives a byte now and then would hold the looks up for ever. */
const LEAST_BYTES_PER_SECOND = 512 * 1024;
/** For lists, and what each file takes to begin. */
const GRACE_MS = 300_000;
const GRACE_FILE_MS = 1_000;

export interface FetchOptions {
  /** For people: the version. */
  readonly what: string;
  readonly limits: ArtifactLimits;
  readonly signal: AbortSignal;
  readonly progress?: (done: { readonly files: number; readonly of: number; readonly bytes: number }) => void;
  /** Bytes that are free below a directory; default the file system's word. */
  readonly freeBytes?: (directory: string) => Promise<number>;
  /** In how many milliseconds so many bytes in so many files must be here; default by a rate of 512 KiB a second. */
  readonly withinMs?: (bytes: number, files: number) => number;
}

function leastRateMs(bytes: number, files: number): number {
  return GRACE_MS + files * GRACE_FILE_MS + Math.ceil((bytes / LEAST_BYTES_PER_SECOND) * 1_000);
}

/** A new directory for one version, gone again when `work` has ended, however it ends. */
export async function inStaging<T>(parent: string, work: (directory: string) => Promise<T>): Promise<T> {
  const directory = join(parent, `registry-${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Fetches every file of a version into `directory`. Rejects with {@link RegistryVersionRefused} when the list names places
 * outside of it, is too much, does not fit on the disk, or is another one when all is fetched; with {@link RegistryTooSlow}
 * when it takes longer than the least rate allows.
 */
export async function fetchAll(source: VersionSource, directory: string, options: FetchOptions): Promise<RemoteFile[]> {
  const { limits, withinMs = leastRateMs } = options;
  const files = await inTime(GRACE_MS, options, 'its list of files', (signal) => source.files(signal));
  await refuseUnfit(files, directory, options);
  const most = files.reduce((sum, file) => sum + limitOf(file, limits), 0);
  const ms = withinMs(Math.min(most, limits.totalBytes), files.length);
  return await inTime(ms, options, `all of it (${files.length} files)`, (signal) =>
    fetchListed(source, files, directory, { ...options, signal }),
  );
}

function limitOf({ bytes }: RemoteFile, { fileBytes }: ArtifactLimits): number {
  return bytes ?? Math.min(fileBytes, LIMIT_UNANNOUNCED_BYTES);
}

/** Rejects with {@link RegistryTooSlow} when the time is over, and not when the caller has ended it. */
async function inTime<T>(
  ms: number,
  { what, signal }: FetchOptions,
  wanted: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // A timer cannot wait longer.
  const deadline = AbortSignal.timeout(Math.min(ms, 2 ** 31 - 1));
  try {
    return await work(AbortSignal.any([signal, deadline]));
  } catch (cause) {
    if (!deadline.aborted || signal.aborted) throw cause;
    const words = `${what}: ${wanted} was not here after ${Math.round(ms / 1_000)} s, expected at least 512 KiB a second; nothing was kept. Look at the registry and the line to it`;
    throw new RegistryTooSlow(words, { cause });
  }
}

async function fetchListed(
  source: VersionSource,
  files: RemoteFile[],
  directory: string,
  options: FetchOptions,
): Promise<RemoteFile[]> {
  const { what, signal } = options;
  let bytes = 0;
  let done = 0;
  for (const file of files) {
    options.progress?.({ files: done, of: files.length, bytes });
    const target = join(directory, file.path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await source.fetch(file, target, limitOf(file, options.limits), signal).catch((fault: unknown) => {
      throw hasCode(fault, 'ENOSPC') || hasCode(fault, 'EDQUOT')
        ? noRoom(what, directory, `writing ${printable(file.path)}`, fault)
        : fault;
    });
    bytes += file.bytes ?? 0;
    done++;
  }
  options.progress?.({ files: done, of: files.length, bytes });
  const after = await source.files(signal);
  const changed = difference(files, after);
  if (changed !== null)
    throw new RegistryVersionRefused(
      `${what}: its files changed while they were fetched (${changed}); somebody still writes there, try again later`,
    );
  return files;
}

async function refuseUnfit(files: readonly RemoteFile[], directory: string, options: FetchOptions): Promise<void> {
  const { what, limits } = options;
  const refuse = (why: string): never => {
    throw new RegistryVersionRefused(`${what}: ${why}`);
  };
  if (files.length === 0) refuse('has no files at the registry');
  if (files.length > LIMIT_FILES) refuse(`has more than ${LIMIT_FILES} files`);
  const paths = files.map(({ path }) => path);
  // The manifest itself is a file like others here: whether it may be there is decided when all is fetched.
  const problems = [...paths.filter((path) => path !== 'manifest.json').map(pathProblem), ...clashes(paths)].filter(
    (problem) => problem !== null,
  );
  const [first] = problems;
  if (first !== undefined)
    refuse(
      `the registry lists ${first.path}, expected ${first.expected} (${problems.length} such); nothing was fetched`,
    );
  const large = files.find(({ bytes }) => bytes !== null && bytes > limits.fileBytes);
  if (large) refuse(`${printable(large.path)} has ${large.bytes ?? 0} bytes, at most ${limits.fileBytes} are taken`);
  const total = files.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  if (total > limits.totalBytes) refuse(`has ${total} bytes, at most ${limits.totalBytes} are taken`);
  // Once here and once in the store, which takes a copy of its own before this one goes.
  const free = await (options.freeBytes ?? freeBelow)(directory);
  if (2 * total > free)
    throw noRoom(what, directory, `it needs ${sizeWords(2 * total)} for a moment, ${sizeWords(free)} are free`);
}

async function freeBelow(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

function noRoom(what: string, directory: string, why: string, cause?: unknown): RegistryNoRoom {
  return new RegistryNoRoom(
    `${what}: no room on the disk of ${dirname(dirname(directory))}: ${why}; nothing was kept of it. ` +
      '`lastgood artifacts prune --dry-run` shows what may go',
    { cause },
  );
}

function difference(before: readonly RemoteFile[], after: readonly RemoteFile[]): string | null {
  const then = new Map(before.map(({ path, bytes }) => [path, bytes]));
  for (const { path, bytes } of after) {
    const was = then.get(path);
    if (was === undefined) return `${printable(path)} is new`;
    if (was !== bytes) return `${printable(path)}: ${was ?? '?'} bytes, then ${bytes ?? '?'}`;
    then.delete(path);
  }
  const [gone] = then.keys();
  return gone === undefined ? null : `${printable(gone)} is gone`;
}
