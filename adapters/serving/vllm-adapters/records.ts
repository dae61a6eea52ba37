import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfThere, writeFileAtomic } from '../../disk/atomic-file';
import { ServingRefused } from '../errors';

const LIMIT_BYTES = 64 * 1024;
const SUFFIX = '.json';

/**
 * That an adapter shall be loaded for an instance. Written before it is loaded and removed after it was unloaded, so that
 * it outlives us and the server: what is declared here and not loaded there is loaded again.
 */
const recordSchema = z.strictObject({
  schema: z.literal(1),
  service: z.string(),
  version: z.string(),
  instance: z.string(),
  digest: z.string(),
  /** Name and path of the adapter at the server; the same for every instance of the version. */
  adapter: z.string(),
  path: z.string(),
  startedAt: z.number(),
  /** Its stop has begun: it is not loaded again. */
  stopping: z.boolean(),
});
export type AdapterRecord = z.infer<typeof recordSchema>;

/** One file for each instance; shared by everybody who opens the same directory. */
export class AdapterRecords {
  constructor(private readonly root: string) {}

  async open(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
  }

  lock(adapter: string): string {
    return join(this.root, `${encodeURIComponent(adapter)}.lock`);
  }

  async read(instance: string): Promise<AdapterRecord | null> {
    return await readRecord(this.file(instance));
  }

  async write(record: AdapterRecord): Promise<void> {
    await writeFileAtomic(this.file(record.instance), `${JSON.stringify(record)}\n`);
  }

  async remove(instance: string): Promise<void> {
    await rm(this.file(instance), { force: true });
  }

  async all(): Promise<{ records: AdapterRecord[]; unreadable: { what: string; why: string }[] }> {
    const records: AdapterRecord[] = [];
    const unreadable: { what: string; why: string }[] = [];
    for (const name of (await readdir(this.root)).filter((one) => one.endsWith(SUFFIX))) {
      try {
        const record = await readRecord(join(this.root, name));
        if (record !== null) records.push(record);
      } catch (fault) {
        const what = decodeURIComponent(name.slice(0, -SUFFIX.length));
        unreadable.push({ what, why: fault instanceof Error ? fault.message : String(fault) });
      }
    }
    return { records: records.sort((left, right) => left.startedAt - right.startedAt), unreadable };
  }

  private file(instance: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9@#._+-]{0,190}$/.test(instance))
      throw new ServingRefused(`${JSON.stringify(instance)} is not an instance name`);
    return join(this.root, `${encodeURIComponent(instance)}${SUFFIX}`);
  }
}

async function readRecord(path: string): Promise<AdapterRecord | null> {
  const text = await readTextIfThere(path, LIMIT_BYTES);
  if (text === null) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ServingRefused(`${path} is no JSON`);
  }
  const parsed = recordSchema.safeParse(json);
  if (!parsed.success) throw new ServingRefused(`${path}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
