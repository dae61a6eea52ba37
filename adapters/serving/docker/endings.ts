import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { hasCode, isMissing, readTextIfThere, writeFileAtomic } from '../../disk/atomic-file';
import { ServingRefused } from '../errors';
import { logTail } from '../instance-log';
import { InstanceFiles } from '../instance-record';
import { label } from './labels';

const LIMIT_BYTES = 64 * 1024;
const OWNER_TRIES = 100;

const endingSchema = z.strictObject({
  schema: z.literal(1),
  service: z.string(),
  version: z.string(),
  instance: z.string(),
  digest: z.string(),
  image: z.string(),
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  container: z.string(),
  startedAt: z.number(),
  exit: z.strictObject({ at: z.number(), code: z.string() }),
});
export type Ending = z.infer<typeof endingSchema>;

/**
 * How runs ended, with their logs, kept as evidence: the containers themselves are removed, by us or by somebody's
 * `docker container prune`. `<root>/owner` is the id of this directory; `<root>/<instance>/<nonce>.json` and `.log`.
 */
export class Endings {
  private readonly files: InstanceFiles;

  constructor(private readonly root: string) {
    this.files = new InstanceFiles(root);
  }

  lock(instance: string): string {
    return this.files.lock(instance);
  }

  /** Random, made once; whoever opens the same directory has the same. */
  async owner(): Promise<string> {
    const file = join(this.root, 'owner');
    try {
      await writeFile(file, randomBytes(16).toString('hex'), { flag: 'wx', mode: 0o600, flush: true });
    } catch (fault) {
      if (!hasCode(fault, 'EEXIST')) throw fault;
    }
    for (let tries = 0; ; tries += 1) {
      const owner = await readFile(file, 'utf8');
      // Shorter while another process is between making the file and writing into it.
      if (/^[0-9a-f]{32}$/.test(owner)) return owner;
      if (tries >= OWNER_TRIES)
        throw new ServingRefused(
          `${file}: found ${owner.length} characters, expected the 32 hexadecimal digits by which containers are known as ours. ` +
            `Write the value of their label ${label.owner} into it (docker inspect), or remove it to disown them all`,
        );
      await pause(10);
    }
  }

  /** Keeping the same run again is keeping it once. The log first: an ending without one would be no evidence. */
  async keep(ending: Ending, log: Buffer): Promise<void> {
    const folder = this.files.folder(ending.instance);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, `${ending.nonce}.log`), log, { mode: 0o600 });
    await writeFileAtomic(join(folder, `${ending.nonce}.json`), `${JSON.stringify(ending)}\n`);
  }

  /** The last run of each instance that has ended, oldest first; and what could not be read as one. */
  async all(): Promise<{ endings: Ending[]; unreadable: { what: string; why: string }[] }> {
    const newest = new Map<string, Ending>();
    const unreadable: { what: string; why: string }[] = [];
    for (const entry of await readdir(this.root, { withFileTypes: true }).catch(noneWhenMissing)) {
      if (!entry.isDirectory()) continue;
      const folder = join(this.root, entry.name);
      for (const name of (await readdir(folder).catch(noneWhenMissing)).filter((one) => one.endsWith('.json'))) {
        const read = await readEnding(join(folder, name));
        if (read === null) continue;
        if ('why' in read) unreadable.push({ what: join(folder, name), why: read.why });
        else if ((newest.get(read.instance)?.exit.at ?? -1) <= read.exit.at) newest.set(read.instance, read);
      }
    }
    const endings = [...newest.values()].sort((left, right) => left.exit.at - right.exit.at);
    return { endings, unreadable };
  }

  async newest(instance: string): Promise<Ending | null> {
    this.files.folder(instance);
    return (await this.all()).endings.find((ending) => ending.instance === instance) ?? null;
  }

  logTail({ instance, nonce }: Ending, limitBytes: number): Promise<string> {
    return logTail(join(this.files.folder(instance), `${nonce}.log`), limitBytes);
  }

  /** Drops the evidence of the instances of a service that ended first, but for the last `keep` of them. */
  async prune(service: string, keep: number): Promise<void> {
    const { endings } = await this.all();
    const own = endings.filter((ending) => ending.service === service);
    for (const { instance } of own.slice(0, Math.max(0, own.length - keep))) await this.files.remove(instance);
  }
}

async function readEnding(file: string): Promise<Ending | { readonly why: string } | null> {
  try {
    const text = await readTextIfThere(file, LIMIT_BYTES);
    if (text === null) return null;
    const parsed = endingSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : { why: z.prettifyError(parsed.error) };
  } catch (fault) {
    return { why: fault instanceof Error ? fault.message : String(fault) };
  }
}

function noneWhenMissing(fault: unknown): [] {
  if (isMissing(fault)) return [];
  throw fault;
}
