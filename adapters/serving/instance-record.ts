import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { hasCode, isMissing, readTextIfThere, writeFileAtomic } from '../disk/atomic-file';
import { ServingRefused } from './errors';

const LIMIT_BYTES = 64 * 1024;
/** Reading one small file costs next to nothing; a whole look at a copy goes through /proc. */
const REPORT_POLL_MS = 5;

/**
 * What was started under a name. Written before the process exists (`pid` null) and again when it does; nothing in it is
 * believed without a look at the process itself.
 */
const recordSchema = z.strictObject({
  schema: z.literal(1),
  service: z.string(),
  version: z.string(),
  instance: z.string(),
  digest: z.string(),
  /** Carried by the process in its environment as `LASTGOOD_NONCE`; also the name of the run's folder. */
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  bootId: z.string(),
  startedAt: z.number(),
  pid: z.int().nullable(),
  startTicks: z.string().nullable(),
  /** Port given by us to a server that cannot report its own. */
  givenPort: z.int().nullable(),
});
export type InstanceRecord = z.infer<typeof recordSchema>;

const reportSchema = z.object({ port: z.int().min(1).max(65_535) });
const stoppedSchema = z.object({ at: z.number(), signal: z.string() });

/**
 * Files of the process runtime: `<root>/<instance>/record.json`, and for each run `<root>/<instance>/<nonce>/` with
 * `claim` (pid of the leader, or `revoked`), `report.json`, `log`, `log.1`, `exit`, `stopped.json`.
 */
export class InstanceFiles {
  constructor(private readonly root: string) {}

  folder(instance: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9@#._+-]{0,190}$/.test(instance)) {
      throw new ServingRefused(`${JSON.stringify(instance)} is not an instance name`);
    }
    return join(this.root, encodeURIComponent(instance));
  }

  lock(instance: string): string {
    return `${this.folder(instance)}.lock`;
  }

  run(record: InstanceRecord): string {
    return join(this.folder(record.instance), record.nonce);
  }

  async read(instance: string): Promise<InstanceRecord | null> {
    return this.readIn(this.folder(instance));
  }

  async write(record: InstanceRecord): Promise<void> {
    await mkdir(this.run(record), { recursive: true, mode: 0o700 });
    await writeFileAtomic(join(this.folder(record.instance), 'record.json'), `${JSON.stringify(record)}\n`);
  }

  /** Every record, and what could not be read as one. */
  async all(): Promise<{ records: InstanceRecord[]; unreadable: { what: string; why: string }[] }> {
    const records: InstanceRecord[] = [];
    const unreadable: { what: string; why: string }[] = [];
    for (const entry of await readdir(this.root, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      try {
        const record = await this.readIn(join(this.root, entry.name));
        if (record !== null) records.push(record);
      } catch (fault) {
        unreadable.push({
          what: decodeURIComponent(entry.name),
          why: fault instanceof Error ? fault.message : String(fault),
        });
      }
    }
    return { records: records.sort((left, right) => left.startedAt - right.startedAt), unreadable };
  }

  /** Without its record a copy is nobody's; its log and what it was stay as evidence. False where there is none. */
  async release(instance: string): Promise<boolean> {
    const folder = this.folder(instance);
    try {
      await rename(join(folder, 'record.json'), join(folder, 'released.json'));
      return true;
    } catch (fault) {
      if (isMissing(fault)) return false;
      throw fault;
    }
  }

  async remove(instance: string): Promise<void> {
    await rm(this.folder(instance), { recursive: true, force: true });
  }

  /** Content of the claim: a pid, `revoked`, empty while it is being written, null while there is none. */
  claim(record: InstanceRecord): Promise<string | null> {
    return readTextIfThere(join(this.run(record), 'claim'), LIMIT_BYTES).then((text) => text?.trim() ?? null);
  }

  /** Takes the claim away from a launch that has not happened yet; false when it has. */
  async revoke(record: InstanceRecord): Promise<boolean> {
    try {
      await writeFile(join(this.run(record), 'claim'), 'revoked\n', { flag: 'wx' });
      return true;
    } catch (fault) {
      if (hasCode(fault, 'EEXIST')) return false;
      throw fault;
    }
  }

  async reportedPort(record: InstanceRecord): Promise<number | null> {
    const text = await readTextIfThere(join(this.run(record), 'report.json'), LIMIT_BYTES);
    if (text === null) return null;
    try {
      return reportSchema.parse(JSON.parse(text)).port;
    } catch {
      // A server that does not write its report in one piece: the next look finds it whole.
      return null;
    }
  }

  /** Resolves when the copy has reported its port, after `ms` at the latest; its users wait for it. */
  async untilReported(record: InstanceRecord, ms: number): Promise<void> {
    for (const until = performance.now() + ms; performance.now() < until;) {
      if ((await this.reportedPort(record)) !== null) return;
      await pause(REPORT_POLL_MS);
    }
  }

  async exit(record: InstanceRecord): Promise<{ at: number; code: number } | null> {
    const path = join(this.run(record), 'exit');
    const text = await readTextIfThere(path, LIMIT_BYTES);
    return text === null ? null : { at: (await stat(path)).mtimeMs, code: Number(text) };
  }

  async markStopped(record: InstanceRecord, at: number, signal: string): Promise<void> {
    await writeFileAtomic(join(this.run(record), 'stopped.json'), JSON.stringify({ at, signal }));
  }

  async stopped(record: InstanceRecord): Promise<{ at: number; signal: string } | null> {
    const text = await readTextIfThere(join(this.run(record), 'stopped.json'), LIMIT_BYTES);
    return text === null ? null : stoppedSchema.parse(JSON.parse(text));
  }

  private async readIn(folder: string): Promise<InstanceRecord | null> {
    const path = join(folder, 'record.json');
    let text: string | null;
    try {
      text = await readTextIfThere(path, LIMIT_BYTES);
    } catch (fault) {
      if (isMissing(fault)) return null;
      throw fault;
    }
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
}
