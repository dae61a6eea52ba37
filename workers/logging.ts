import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import pino, { type Logger } from 'pino';

const rotateAtBytes = 16 * 1024 * 1024;
const lookEveryMs = 60_000;

/**
 * The log of one process: JSON lines in a file, rotated once (`.1`) at 16 MiB. Written synchronously: the last lines
 * before a crash are the ones that count, and no process logs per request. `keepsAll` (a legal hold): each rotation is a file
 * of its own, named by its moment.
 */
export function openLog(process: string, file: string, keepsAll = false): Logger {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const destination = pino.destination({ dest: file, append: true, sync: true, mode: 0o600 });
  setInterval(() => {
    try {
      if (statSync(file).size < rotateAtBytes) return;
      renameSync(file, `${file}.${keepsAll ? Date.now() : 1}`);
      destination.reopen();
    } catch {
      // A log that cannot be rotated now is rotated at the next look.
    }
  }, lookEveryMs).unref();
  return pino({ base: { process }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
