import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { hasCode, isMissing } from '../../disk/atomic-file';
import { pathProblem } from '../paths';
import { RegistryMissing, RegistryUnreachable, RegistryVersionRefused } from '../registry/errors';

/** A directory with DVC's objects: its cache, or a remote on this machine. */
export interface StoragePlace {
  readonly directory: string;
  readonly name: string;
}

export interface Storage {
  readonly places: readonly StoragePlace[];
  /** Why another place, which is configured, is not read; null: all are. */
  readonly unread: string | null;
}

export interface TreeEntry {
  readonly path: string;
  readonly md5: string;
}

const BLOCK_BYTES = 1024 * 1024;
const LIMIT_TREE_BYTES = 16 * 1024 * 1024;
const tree = z.array(z.strictObject({ md5: z.string().regex(/^[0-9a-f]{32}$/), relpath: z.string() })).max(100_000);

/**
 * One object into `target`, from the first place that has it whole: DVC itself installs what it finds, so the MD5 of the
 * name is compared here, with what was written. Rejects where no place has it.
 */
export async function fetchObject(
  storage: Storage,
  wanted: { readonly what: string; readonly object: string; readonly limitBytes: number; readonly signal: AbortSignal },
  target: string,
): Promise<void> {
  const { what, object, signal } = wanted;
  const broken: string[] = [];
  for (const { directory, name } of storage.places) {
    const found = await copyObject(join(directory, ...objectPath(object)), target, wanted.limitBytes, signal);
    if (found === 'missing') continue;
    if (found === md5Of(object)) return;
    broken.push(`the one in the ${name} is corrupt (its md5 is ${found})`);
    await rm(target, { force: true });
  }
  if (broken.length > 0)
    throw new RegistryVersionRefused(
      `${what}: object ${object}: ${broken.join('; ')}; push it again from where it is whole`,
    );
  throw await missing(storage, what, object);
}

/** Bytes of an object as the first place has it; its content is not looked at. Rejects where no place has it. */
export async function sizeOfObject(storage: Storage, what: string, object: string): Promise<number> {
  for (const { directory } of storage.places) {
    try {
      const { size } = await stat(join(directory, ...objectPath(object)));
      return size;
    } catch (fault) {
      if (!isMissing(fault)) throw unreadable(what, fault);
    }
  }
  throw await missing(storage, what, object);
}

/** A small object, checked as {@link fetchObject} checks it. */
export async function readObject(
  storage: Storage,
  wanted: { readonly what: string; readonly object: string; readonly limitBytes: number },
): Promise<Buffer> {
  const { what, object, limitBytes } = wanted;
  const size = await sizeOfObject(storage, what, object);
  if (size > limitBytes) throw new RegistryVersionRefused(`${what}: has ${size} bytes, at most ${limitBytes} are read`);
  const broken: string[] = [];
  for (const { directory, name } of storage.places) {
    const bytes = await readPlain(join(directory, ...objectPath(object)), limitBytes);
    if (bytes === null) continue;
    const md5 = createHash('md5').update(bytes).digest('hex');
    if (md5 === md5Of(object)) return bytes;
    broken.push(`the one in the ${name} is corrupt (its md5 is ${md5})`);
  }
  throw new RegistryVersionRefused(`${what}: object ${object}: ${broken.join('; ') || 'is gone'}`);
}

/** The files of a directory object, sorted as it has them. */
export async function readTree(storage: Storage, what: string, md5: string): Promise<TreeEntry[]> {
  const bytes = await readObject(storage, { what, object: `${md5}.dir`, limitBytes: LIMIT_TREE_BYTES });
  const refuse = (why: string): never => {
    throw new RegistryVersionRefused(`${what}: its list ${md5}.dir ${why}`);
  };
  let value: unknown = null;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    refuse('is no JSON');
  }
  const parsed = tree.safeParse(value);
  if (!parsed.success) return refuse('is none of DVC: expected [{"md5", "relpath"}, …]');
  return parsed.data.map(({ md5: of, relpath }) => {
    const problem = pathProblem(relpath);
    if (problem !== null && relpath !== 'manifest.json') refuse(`names ${problem.found}, expected ${problem.expected}`);
    return { path: relpath, md5: of };
  });
}

function objectPath(object: string): string[] {
  return ['files', 'md5', object.slice(0, 2), object.slice(2)];
}

function md5Of(object: string): string {
  return object.slice(0, 32);
}

async function missing({ places, unread }: Storage, what: string, object: string): Promise<Error> {
  for (const { directory, name } of places) {
    if (!(await isThere(directory)))
      return new RegistryUnreachable(`${what}: the ${name} ${directory} is not there; is its disk mounted?`);
    // Written by DVC 2: two letters, then the rest.
    if (await isThere(join(directory, object.slice(0, 2), object.slice(2))))
      return new RegistryVersionRefused(
        `${what}: object ${object} is in the old layout of DVC 2 in the ${name}; \`dvc cache migrate\` (and \`dvc push\`) bring it up to date`,
      );
  }
  const looked = places.map(({ name, directory }) => `${name} ${directory}`).join(', ') || 'no place that can be read';
  return new RegistryMissing(
    `${what}: object ${object} is not in ${looked}; ${unread ?? '`dvc push` (or `dvc fetch` in that clone) brings it there'}`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** MD5 of what was written, or that there is nothing. Reads no more than the limit. */
async function copyObject(path: string, target: string, limitBytes: number, signal: AbortSignal): Promise<string> {
  const source = await openPlain(path);
  if (source === null) return 'missing';
  try {
    const copy = await open(target, 'wx', 0o600);
    try {
      const hash = createHash('md5');
      const block = Buffer.allocUnsafe(BLOCK_BYTES);
      for (let bytes = 0; ;) {
        signal.throwIfAborted();
        const { bytesRead } = await source.read(block, 0, BLOCK_BYTES, bytes);
        if (bytesRead === 0) break;
        bytes += bytesRead;
        if (bytes > limitBytes) return `not looked for: it has more than ${limitBytes} bytes`;
        hash.update(block.subarray(0, bytesRead));
        await copy.writeFile(block.subarray(0, bytesRead));
      }
      await copy.sync();
      return hash.digest('hex');
    } finally {
      await copy.close();
    }
  } finally {
    await source.close();
  }
}

async function readPlain(path: string, limitBytes: number): Promise<Buffer | null> {
  const source = await openPlain(path);
  if (source === null) return null;
  try {
    const { size } = await source.stat();
    // Longer than a moment ago: whatever it is now, it is not what its name says.
    const content = Buffer.alloc(Math.min(size, limitBytes));
    const { bytesRead } = await source.read(content, 0, content.length, 0);
    return content.subarray(0, bytesRead);
  } finally {
    await source.close();
  }
}

async function openPlain(path: string) {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (fault) {
    if (isMissing(fault) || hasCode(fault, 'ENOTDIR')) return null;
    throw unreadable(path, fault);
  }
}

function unreadable(what: string, fault: unknown): RegistryUnreachable {
  return new RegistryUnreachable(`${what}: ${fault instanceof Error ? fault.message : String(fault)}`, {
    cause: fault,
  });
}
