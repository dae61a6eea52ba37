import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { PreparedFault } from '../../activities/ports';
import { readJson, writeJson } from '../files';
import { readStartTime } from '../temporal/process-identity';

const schema = z.strictObject({
  schema: z.literal(1),
  run: z.string(),
  experiment: z.string(),
  service: z.string(),
  startedAt: z.number(),
  pid: z.int(),
  startTime: z.string(),
  /** Live before the run. */
  before: z.string().nullable(),
  /** Null until something was chosen; made or not, it is taken back. */
  fault: z
    .strictObject({
      kind: z.string(),
      service: z.string(),
      target: z.string(),
      undo: z.record(z.string(), z.json()),
    })
    .nullable(),
});
export type RunState = Omit<z.output<typeof schema>, 'fault'> & { readonly fault: PreparedFault | null };

/**
 * The run that is under way in a data directory: on disk before anything is done, and gone when everything is taken back.
 * There is at most one.
 */
export class StateFile {
  private readonly file: string;

  constructor(dataDir: string) {
    this.file = join(dataDir, 'chaos', 'run.json');
  }

  async read(): Promise<RunState | null> {
    return (await readJson(this.file, schema)) as RunState | null;
  }

  async write(state: RunState): Promise<void> {
    await mkdir(dirname(this.file), { recursive: true, mode: 0o700 });
    await writeJson(this.file, state);
  }

  async clear(): Promise<void> {
    await rm(this.file, { force: true });
  }

  /** Whether the process of the run still is that process. */
  static async isAlive({ pid, startTime }: RunState): Promise<boolean> {
    return (await readStartTime(pid)) === startTime;
  }
}
