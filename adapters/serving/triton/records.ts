import { appendFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfThere, writeFileAtomic } from '../../disk/atomic-file';
import { ServingRefused } from '../errors';
import { logTail } from '../instance-log';

const LIMIT_BYTES = 16 * 1024 * 1024;
const number = z.int().min(1);

const recordSchema = z.strictObject({
  schema: z.literal(1),
  service: z.string(),
  version: z.string(),
  instance: z.string(),
  digest: z.string(),
  model: z.string(),
  number,
  /** Verified directory that the files came from. */
  artifact: z.string(),
  /** Paths below the version's directory, as hashed after they were placed; `mtimeMs` as they were then. */
  files: z.array(z.strictObject({ path: z.string(), bytes: z.int().min(0), sha256: z.string(), mtimeMs: z.number() })),
  /**
   * `placing`: an attempt may be at work, or died. `declared`: it was loaded, and is loaded again after a restart of the
   * server. `stopping`: out of force, perhaps with requests in flight. `ended`: by a stop, or by a load that failed.
   */
  state: z.enum(['placing', 'declared', 'stopping', 'ended']),
  startedAt: z.number(),
  exit: z.strictObject({ at: z.number(), code: z.string(), stopped: z.boolean() }).nullable(),
});
export type TritonRecord = z.infer<typeof recordSchema>;
export type PlacedFile = TritonRecord['files'][number];

/**
 * Which number of the model stands for which copy: `<root>/<number>.json`, its log beside it, and the highest number that
 * was ever given. A number is never given twice: Triton compares times of change, and would not see the other content.
 */
export class TritonRecords {
  constructor(private readonly root: string) {}

  async open(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
  }

  get lock(): string {
    return join(this.root, 'lock');
  }

  /** By number. What cannot be read is told, never taken for absent: its number could be given again. */
  async all(): Promise<{ records: TritonRecord[]; unreadable: { what: string; why: string }[] }> {
    const records: TritonRecord[] = [];
    const unreadable: { what: string; why: string }[] = [];
    for (const name of await readdir(this.root)) {
      if (!/^\d+\.json$/.test(name)) continue;
      const file = join(this.root, name);
      try {
        const text = await readTextIfThere(file, LIMIT_BYTES);
        if (text !== null) records.push(recordSchema.parse(JSON.parse(text)));
      } catch (fault) {
        const why = fault instanceof z.ZodError ? z.prettifyError(fault) : String(fault);
        unreadable.push({ what: file, why });
      }
    }
    records.sort((left, right) => left.number - right.number);
    return { records, unreadable };
  }

  /** The newest of an instance; an older one of the same name has ended. */
  async of(instance: string): Promise<TritonRecord | null> {
    return (await this.all()).records.findLast((record) => record.instance === instance) ?? null;
  }

  async byNumber(wanted: number): Promise<TritonRecord | null> {
    const text = await readTextIfThere(this.file(wanted), LIMIT_BYTES);
    return text === null ? null : recordSchema.parse(JSON.parse(text));
  }

  async write(record: TritonRecord): Promise<void> {
    await writeFileAtomic(this.file(record.number), `${JSON.stringify(record)}\n`);
  }

  /** A number that was never used: not here, and not by anybody of whom `taken` tells. Durable before it is used. */
  async nextNumber(taken: readonly number[]): Promise<number> {
    const file = join(this.root, 'highest');
    const text = (await readTextIfThere(file, 100)) ?? '0';
    const before = Number(text.trim());
    if (!Number.isSafeInteger(before))
      throw new ServingRefused(
        `${file}: found ${JSON.stringify(text)}, expected the highest number given so far; write the highest directory of the model into it`,
      );
    const { records } = await this.all();
    const next = Math.max(before, ...taken, ...records.map((record) => record.number)) + 1;
    await writeFileAtomic(file, `${next}\n`);
    return next;
  }

  async note({ number: of }: Pick<TritonRecord, 'number'>, at: number, words: string): Promise<void> {
    await appendFile(this.logFile(of), `${new Date(at).toISOString()} ${words}\n`, { mode: 0o600 });
  }

  async log({ number: of }: Pick<TritonRecord, 'number'>, limitBytes: number): Promise<string> {
    return logTail(this.logFile(of), limitBytes);
  }

  /** Whether copies are placed from this host at all. */
  async areHere(): Promise<boolean> {
    return (await readTextIfThere(join(this.root, 'highest'), 100)) !== null;
  }

  /** Keeps the newest ended ones as evidence. */
  async prune(keepEnded: number): Promise<void> {
    const ended = (await this.all()).records.filter(({ state }) => state === 'ended');
    for (const record of ended.slice(0, Math.max(0, ended.length - keepEnded))) {
      await rm(this.file(record.number), { force: true });
      await rm(this.logFile(record.number), { force: true });
    }
  }

  private file(of: number): string {
    return join(this.root, `${of}.json`);
  }

  private logFile(of: number): string {
    return join(this.root, `${of}.log`);
  }
}
