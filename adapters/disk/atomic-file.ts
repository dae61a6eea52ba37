import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces the file whole: after a crash at any moment the old or the new content is there, never a half. */
export async function writeFileAtomic(path: string, content: string, mode = 0o600): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (fault) {
    await rm(temporary, { force: true });
    throw fault;
  }
  await syncDirectory(dirname(path));
}

/** Makes renames and new names in the directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The file's text; null when there is none. Rejects when it is longer than `limitBytes`. */
export async function readTextIfThere(path: string, limitBytes: number): Promise<string | null> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (fault) {
    if (isMissing(fault)) return null;
    throw fault;
  }
  try {
    const { size } = await file.stat();
    if (size > limitBytes) throw new Error(`${path}: ${size} bytes, at most ${limitBytes} are read`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

export function isMissing(fault: unknown): boolean {
  return hasCode(fault, 'ENOENT');
}

export function hasCode(fault: unknown, code: string): boolean {
  return typeof fault === 'object' && fault !== null && (fault as { code?: unknown }).code === code;
}
