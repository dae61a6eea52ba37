import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isMissing, readTextIfThere, writeFileAtomic } from '../disk/atomic-file';
import { ArtifactError } from './errors';
import { SERVICE_NAME, VERSION_NAME } from '../../domain/names';

const LIMIT_BYTES = 64 * 1024;

/** That a version was imported, when, and which content its name stands for. */
const recordSchema = z.strictObject({
  schema: z.literal(1),
  service: z.string(),
  version: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  importedAt: z.number(),
  /** Breaks ties of the clock: imports are ordered by it. A version of a registry may stand between two others. */
  order: z.number(),
});
export type VersionRecord = z.infer<typeof recordSchema>;

const names = { service: SERVICE_NAME, version: VERSION_NAME };

/** The names of a store: `services/<service>/<version>.json`, and notes for people in `notes/`. */
export class StoreRecords {
  constructor(private readonly root: string) {}

  async read(service: string, version: string): Promise<VersionRecord | null> {
    if (!names.service.test(service) || !names.version.test(version)) return null;
    const path = this.path(service, version);
    const text = await readTextIfThere(path, LIMIT_BYTES);
    if (text === null) return null;
    try {
      return recordSchema.parse(JSON.parse(text));
    } catch (fault) {
      throw new ArtifactError(`${path} is not a version record: ${String(fault)}`, { cause: fault });
    }
  }

  async write(record: VersionRecord): Promise<void> {
    await mkdir(join(this.root, 'services', record.service), { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.path(record.service, record.version), `${JSON.stringify(record)}\n`);
  }

  async remove(record: VersionRecord): Promise<void> {
    await rm(this.path(record.service, record.version), { force: true });
  }

  async services(): Promise<string[]> {
    return (await entries(join(this.root, 'services'))).sort();
  }

  /** Names of the versions of a service, readable or not. */
  async versions(service: string): Promise<string[]> {
    if (!names.service.test(service)) return [];
    const files = await entries(join(this.root, 'services', service));
    return files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length));
  }

  async annotate(service: string, version: string, note: { at: number; text: string }): Promise<void> {
    const content = `${JSON.stringify({ at: note.at, text: note.text })}\n`;
    const folder = join(this.root, 'notes', service, version);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Named by its content: the same note again is the same file.
    const name = createHash('sha256').update(content).digest('hex').slice(0, 16);
    await writeFileAtomic(join(folder, `${note.at}-${name}.json`), content);
  }

  async notes(service: string, version: string): Promise<{ at: number; text: string }[]> {
    const folder = join(this.root, 'notes', service, version);
    const files = (await entries(folder)).filter((file) => file.endsWith('.json')).sort();
    const texts = await Promise.all(files.map((file) => readTextIfThere(join(folder, file), LIMIT_BYTES)));
    return texts.filter((text) => text !== null).map((text) => JSON.parse(text) as { at: number; text: string });
  }

  private path(service: string, version: string): string {
    return join(this.root, 'services', service, `${version}.json`);
  }
}

async function entries(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (fault) {
    if (isMissing(fault)) return [];
    throw fault;
  }
}
