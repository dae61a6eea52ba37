import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeFileSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { isMissing } from '../disk/atomic-file';

/** The last `limitBytes` of a log and the part of it that was cut off before, as text. */
export async function logTail(log: string, limitBytes: number): Promise<string> {
  const newest = await tail(log, limitBytes);
  const older = newest.length < limitBytes ? await tail(`${log}.1`, limitBytes - newest.length) : Buffer.alloc(0);
  return Buffer.concat([older, newest]).toString('utf8');
}

/**
 * Halves a log that outgrew its limit; the half that stays is its `.1` file. The writer appends, so it goes on at the new
 * end. Copy and cut are one go without an await: only a line that lands between these two system calls is lost, which is
 * the price of a server that writes to a plain file.
 */
export async function limitLog(log: string, limitBytes: number): Promise<void> {
  if ((await sizeOf(log)) <= limitBytes) return;
  const file = openSync(log, 'r+');
  try {
    const bytes = fstatSync(file).size;
    const kept = Buffer.alloc(Math.min(bytes, Math.floor(limitBytes / 2)));
    readSync(file, kept, 0, kept.length, bytes - kept.length);
    writeFileSync(`${log}.1`, kept, { mode: 0o600 });
    ftruncateSync(file, 0);
  } finally {
    closeSync(file);
  }
}

async function tail(path: string, limitBytes: number): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const wanted = Math.min(size, limitBytes);
      const content = Buffer.alloc(wanted);
      const { bytesRead } = await file.read(content, 0, wanted, size - wanted);
      return content.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (fault) {
    if (isMissing(fault)) return Buffer.alloc(0);
    throw fault;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (fault) {
    if (isMissing(fault)) return 0;
    throw fault;
  }
}
