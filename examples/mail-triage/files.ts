/** Small file helpers: whole or not at all, and one builder at a time. */
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Writes beside the target and renames, so that a reader never sees half a file. */
export async function writeAtomically(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.tmp`;
  await writeFile(beside, content);
  await rename(beside, path);
}

const POLL_MS = 100;
const WAIT_LIMIT_MS = 5 * 60_000;

/**
 * Runs `task` while holding the lock file: two tests or a demo and a test that start at once build one after the other.
 * A lock whose process is gone is taken over.
 */
export async function withLock<T>(path: string, task: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const deadline = Date.now() + WAIT_LIMIT_MS;
  while (!(await taken(path))) {
    const owner = Number(await readFile(path, 'utf8').catch(() => ''));
    // An empty file belongs to somebody who is between creating it and writing into it.
    if (owner > 0 && !isAlive(owner)) await rm(path, { force: true });
    if (Date.now() > deadline) throw new Error(`${path}: held by process ${owner} for longer than five minutes`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  try {
    return await task();
  } finally {
    await rm(path, { force: true });
  }
}

async function taken(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
