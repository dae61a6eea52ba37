import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import Database from 'libsql';

export type FileLock = { readonly held: true; release(): void } | { readonly held: false; readonly pid: number | null };

/**
 * Takes the lock of a database file for this process. A kernel lock that SQLite holds on a file of its own beside it:
 * it ends with the process, also by SIGKILL, so there is no stale lock to judge. The holder's pid stands in a third
 * file, because reading the locked file through `fs` and closing it would drop this process's POSIX locks on it.
 */
export function lockFile(file: string): FileLock {
  const pidFile = `${file}.pid`;
  const holder = new Database(`${file}.lock`, { timeout: 0 });
  try {
    holder.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    holder.close();
    if ((error as { code?: string }).code?.startsWith('SQLITE_BUSY')) return { held: false, pid: readPid(pidFile) };
    throw error;
  }
  writeFileSync(pidFile, `${process.pid}\n`);
  let released = false;
  return {
    held: true,
    release() {
      if (released) return;
      released = true;
      rmSync(pidFile, { force: true });
      // Explicitly: a statement that is not collected yet would keep the connection, and with it the lock.
      holder.exec('ROLLBACK');
      holder.close();
    },
  };
}

function readPid(pidFile: string): number | null {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}
