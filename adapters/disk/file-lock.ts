import { randomBytes } from 'node:crypto';
import { link, rm, unlink, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { hasCode, readTextIfThere } from './atomic-file';
import { bootId, processFacts } from './proc';

const holderSchema = z.object({ pid: z.int(), startTicks: z.string(), bootId: z.string(), nonce: z.string() });
type Holder = z.infer<typeof holderSchema>;

export class LockTimedOut extends Error {
  constructor(path: string, holder: string, waitedMs: number) {
    super(`${path} is held by ${holder}; gave up after ${waitedMs} ms`);
    this.name = 'LockTimedOut';
  }
}

/**
 * Runs `work` while no other process (or call in this one) holds `path`. The lock of a process that died is broken.
 * Rejects with {@link LockTimedOut}.
 */
export async function withFileLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + waitMs;
  while (!(await tryAcquire(path))) {
    if (performance.now() >= deadline) throw new LockTimedOut(path, await holderText(path), waitMs);
    await pause(20);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** `abandoned`: its holder died, and nobody has taken it since. */
export async function lockState(path: string): Promise<'free' | 'held' | 'abandoned'> {
  const holder = await readHolder(path);
  return holder === null ? 'free' : isAlive(holder) ? 'held' : 'abandoned';
}

async function tryAcquire(path: string): Promise<boolean> {
  if (await create(path)) return true;
  const holder = await readHolder(path);
  if (holder === null || isAlive(holder)) return false;
  // Two processes may find the same dead holder. Only who holds the lock *on breaking this very holder* may unlink,
  // otherwise the slower one would remove the lock that the quicker one has just taken. Its own death is covered the
  // same way, one level down.
  const claim = `${path}.break-${holder.nonce}`;
  if (!(await tryAcquire(claim))) return false;
  try {
    const now = await readHolder(path);
    if (now?.nonce === holder.nonce) await unlink(path);
  } finally {
    await rm(claim, { force: true });
  }
  return create(path);
}

async function create(path: string): Promise<boolean> {
  const nonce = randomBytes(8).toString('hex');
  const holder: Holder = {
    pid: process.pid,
    startTicks: processFacts(process.pid)?.startTicks ?? '',
    bootId: bootId() ?? '',
    nonce,
  };
  // Written apart and linked into place, so that nobody ever reads a lock without its holder.
  const written = `${path}.${nonce}`;
  await writeFile(written, JSON.stringify(holder), { flag: 'wx', mode: 0o600 });
  try {
    await link(written, path);
    return true;
  } catch (fault) {
    if (hasCode(fault, 'EEXIST')) return false;
    throw fault;
  } finally {
    await rm(written, { force: true });
  }
}

async function readHolder(path: string): Promise<Holder | null> {
  const text = await readTextIfThere(path, 4096);
  return text === null ? null : holderSchema.parse(JSON.parse(text));
}

function isAlive(holder: Holder): boolean {
  // Without /proc nothing can be said about the holder: then the lock is never broken.
  const boot = bootId();
  if (boot === null) return true;
  return holder.bootId === boot && processFacts(holder.pid)?.startTicks === holder.startTicks;
}

async function holderText(path: string): Promise<string> {
  const holder = await readHolder(path);
  return holder === null ? 'nobody any more' : `process ${holder.pid}`;
}
