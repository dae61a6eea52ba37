import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfThere, writeFileAtomic } from '../../disk/atomic-file';
import { withFileLock } from '../../disk/file-lock';
import { ArtifactError } from '../errors';

const LIMIT_BYTES = 4 * 1024 * 1024;
const LOCK_WAIT_MS = 30_000;

const time = z.number();
/** What was seen at the registry at the last look, beside the store; for people and for the next look. */
const seenSchema = z.strictObject({
  schema: z.literal(1),
  where: z.string(),
  lookedAt: time,
  /**
   * By our name. `goneSince`: the look at which it was no longer there. `cameAt`: the look that found it, of this `origin`,
   * where the one before had not; null: it was there when this registry was first looked at. Both absent in older records.
   */
  versions: z.record(
    z.string(),
    z.strictObject({
      id: z.string(),
      seenAt: time,
      goneSince: time.nullable(),
      cameAt: time.nullable().exactOptional(),
      origin: z.string().exactOptional(),
    }),
  ),
  /** Alias or stage → where it pointed, and since which look. */
  aliases: z.record(z.string(), z.strictObject({ version: z.string(), since: time })),
  /** Versions that could not be taken; they are not fetched again and again. */
  refused: z.record(z.string(), z.strictObject({ at: time, why: z.string() })),
});
export type Seen = z.infer<typeof seenSchema>;

/** `registry/<service>.json` in the directory of the store. */
export class RegistryRecords {
  constructor(private readonly storeDirectory: string) {}

  async read(service: string): Promise<Seen | null> {
    const path = this.path(service);
    const text = await readTextIfThere(path, LIMIT_BYTES);
    if (text === null) return null;
    try {
      return seenSchema.parse(JSON.parse(text));
    } catch (cause) {
      throw new ArtifactError(`${path} is not what a look at a registry writes; remove it, it is only a memory`, {
        cause,
      });
    }
  }

  async write(service: string, seen: Seen): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.path(service), `${JSON.stringify(seen)}\n`);
  }

  /** One look or pull of a service at a time, in all processes that use the store. */
  async alone<T>(service: string, work: () => Promise<T>): Promise<T> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    return await withFileLock(join(this.directory, `${service}.lock`), LOCK_WAIT_MS, work);
  }

  private get directory(): string {
    return join(this.storeDirectory, 'registry');
  }

  private path(service: string): string {
    return join(this.directory, `${service}.json`);
  }
}
