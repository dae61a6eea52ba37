import { open, stat, truncate, writeFile } from 'node:fs/promises';
import { isMissing } from '../disk/atomic-file';

/** The last `limitBytes` of a log and the part of it that was cut off before, as text. */
export async function logTail(log: string, limitBytes: number): Promise<string> {
  const newest = await tail(log, limitBytes);
  const older = newest.length < limitBytes ? await tail(`${log}.1`, limitBytes - newest.length) : Buffer.alloc(0);
  return Buffer.concat([older, newest]).toString('utf8');
}

/**
 * Halves a log that outgrew its limit. The writer appends, so it goes on at the new end; what it writes between the copy
 * and the cut is lost, which is the price of a server that writes to a plain file.
 */
export async function limitLog(log: string, limitBytes: number): Promise<void> {
  const bytes = await sizeOf(log);
  if (bytes <= limitBytes) return;
  await writeFile(`${log}.1`, await tail(log, Math.floor(limitBytes / 2)), { mode: 0o600 });
  await truncate(log, 0);
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
