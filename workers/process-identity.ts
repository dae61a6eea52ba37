import { z } from 'zod';
import { bootId, processEnvironment } from '../adapters/disk/proc';
import { readStartTime } from './temporal/process-identity';

/** A process is ours only when pid, start time, boot and nonce agree. */
export const processRecordSchema = z.object({
  pid: z.int(),
  startTime: z.string(),
  bootId: z.string().nullable(),
  nonce: z.string(),
});
export type ProcessRecord = z.infer<typeof processRecordSchema>;

export const nonceVariable = 'LASTGOOD_PROCESS_NONCE';

export async function identify(pid: number, nonce: string): Promise<ProcessRecord | null> {
  const startTime = await readStartTime(pid);
  return startTime === undefined ? null : { pid, startTime, bootId: bootId(), nonce };
}

export async function isRunning(record: ProcessRecord): Promise<boolean> {
  return record.bootId === bootId() && (await readStartTime(record.pid)) === record.startTime;
}

/** As `isRunning`, and the process carries our nonce where that can be read. For processes of a former supervisor. */
export async function isOurs(record: ProcessRecord): Promise<boolean> {
  if (!(await isRunning(record))) return false;
  const environment = processEnvironment(record.pid);
  return environment === null || environment.get(nonceVariable) === record.nonce;
}

export type StopOutcome = 'stopped' | 'killed' | 'absent';

/** SIGTERM, after `graceMs` SIGKILL; the identity is checked immediately before each. Returns when it is gone. */
export async function endProcess(record: ProcessRecord, graceMs: number): Promise<StopOutcome> {
  if (!(await signal(record, 'SIGTERM'))) return 'absent';
  if (await waitForEnd(record, graceMs)) return 'stopped';
  await signal(record, 'SIGKILL');
  await waitForEnd(record, 10_000);
  return 'killed';
}

async function signal(record: ProcessRecord, name: NodeJS.Signals): Promise<boolean> {
  if (!(await isOurs(record))) return false;
  try {
    process.kill(record.pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

async function waitForEnd(record: ProcessRecord, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (await isRunning(record)) {
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return true;
}
