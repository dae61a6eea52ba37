import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Alert } from '../../activities/ports';
import { AlertUndelivered, type AlertSink } from './sink';

/** One line of the journal. */
export interface JournalledAlert {
  /** Milliseconds since the epoch at which the line was written. */
  readonly loggedAt: number;
  readonly alert: Alert;
}

const lineSchema = z.strictObject({
  loggedAt: z.number(),
  alert: z.strictObject({
    key: z.string(),
    service: z.string(),
    incident: z.string().nullable(),
    severity: z.enum(['page', 'ticket', 'info']),
    at: z.number(),
    title: z.string(),
    wrong: z.string(),
    did: z.string(),
    users: z.string(),
    must: z.string(),
    command: z.string().nullable(),
    link: z.string().nullable(),
  }),
});

/**
 * Keeps every alert as one line of JSON, synced before it counts as delivered. At `limitBytes` (default 8 MiB) the file
 * becomes `<file>.1`, which is replaced by the next one: at most twice the limit is kept.
 */
export function journalSink(options: {
  file: string;
  limitBytes?: number;
  now?: () => number;
  /** A legal hold: the file grows. */
  keepsAll?: boolean;
}): AlertSink {
  const { file, now = Date.now } = options;
  const limitBytes = options.keepsAll === true ? Infinity : (options.limitBytes ?? 8 * 1024 * 1024);
  let queue: Promise<void> = Promise.resolve();
  return {
    name: 'journal',
    deliver(alert) {
      const written = queue.then(() => appendLine(file, limitBytes, { loggedAt: now(), alert }));
      // The next line waits for this one but does not share its failure.
      queue = written.catch(() => {});
      return written;
    },
  };
}

/**
 * The journalled alerts, oldest first, one for each key (the first showing); a file that is not there yet is empty. Lines
 * that cannot be read, as a crash leaves one, are counted.
 */
export async function readAlertJournal(
  file: string,
  query: { service?: string; sinceMs?: number } = {},
): Promise<{ alerts: JournalledAlert[]; unreadable: number }> {
  const byKey = new Map<string, JournalledAlert>();
  let unreadable = 0;
  for (const line of [...(await linesOf(`${file}.1`)), ...(await linesOf(file))]) {
    const entry = parseLine(line);
    if (entry === null) unreadable += 1;
    else if (!byKey.has(entry.alert.key)) byKey.set(entry.alert.key, entry);
  }
  const alerts = [...byKey.values()].filter(
    ({ alert, loggedAt }) =>
      (query.service === undefined || alert.service === query.service) && loggedAt >= (query.sinceMs ?? -Infinity),
  );
  return { alerts, unreadable };
}

async function appendLine(file: string, limitBytes: number, entry: JournalledAlert): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    const handle = await open(file, 'a+', 0o600);
    let size: number;
    try {
      size = (await handle.stat()).size;
      const last = Buffer.alloc(1);
      // A line that a crash tore is closed first, so that it cannot swallow this one.
      const torn = size > 0 && (await handle.read(last, 0, 1, size - 1)).bytesRead === 1 && last[0] !== 0x0a;
      const line = `${torn ? '\n' : ''}${JSON.stringify(entry)}\n`;
      await handle.appendFile(line);
      await handle.datasync();
      size += Buffer.byteLength(line);
    } finally {
      await handle.close();
    }
    if (size >= limitBytes) await rename(file, `${file}.1`);
  } catch (error) {
    throw new AlertUndelivered(`the alert journal ${file} cannot be written: ${(error as Error).message}`);
  }
}

async function linesOf(file: string): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function parseLine(line: string): JournalledAlert | null {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
