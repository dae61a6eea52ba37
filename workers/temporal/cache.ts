import { chmod, mkdir, mkdtemp, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const lockPollMs = 200;
const leftoverAgeMs = 60 * 60 * 1000;

/**
 * Runs `work` while no other process on this host fetches the same program, so that two callers do not download it
 * twice. The lock only saves work: what keeps the cache whole is that `installProgram` renames a finished file.
 */
export async function withLock<T>(dir: string, name: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dir, { recursive: true });
  const lock = join(dir, `${name}.lock`);
  while (!(await take(lock))) {
    if (await ownerIsGone(lock)) await rm(lock, { force: true });
    else await delay(lockPollMs);
  }
  try {
    await removeLeftovers(dir);
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

/** Runs `work` with a new directory beside the cached files, on their file system, and removes it in every case. */
export async function withWorkDir<T>(dir: string, work: (workDir: string) => Promise<T>): Promise<T> {
  await mkdir(dir, { recursive: true });
  const workDir = await mkdtemp(join(dir, 'fetch-'));
  try {
    return await work(workDir);
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

/** Moves a finished file into the cache: on the disk before it has the name, so a crash leaves no half program. */
export async function installProgram(file: string, target: string): Promise<void> {
  await chmod(file, 0o755);
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(file, target);
}

async function take(lock: string): Promise<boolean> {
  try {
    const handle = await open(lock, 'wx');
    await handle.writeFile(String(process.pid));
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function ownerIsGone(lock: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(lock, 'utf8'));
    // An empty lock is one whose owner is between creating and writing it, or died there; age tells which.
    if (!Number.isInteger(pid) || pid <= 0) return Date.now() - (await stat(lock)).mtimeMs > 5_000;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === 'ESRCH' || code === 'ENOENT';
  }
}

/** What a killed fetch left behind. */
async function removeLeftovers(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.startsWith('fetch-')) continue;
    const path = join(dir, name);
    const age = await stat(path).then(
      (stats) => Date.now() - stats.mtimeMs,
      () => 0,
    );
    if (age > leftoverAgeMs) await rm(path, { recursive: true, force: true });
  }
}
