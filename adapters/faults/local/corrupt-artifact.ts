import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { ArtifactStore } from '../../../activities/ports';
import { isMissing } from '../../disk/atomic-file';
import { readManifest } from '../../artifacts/content';
import { FaultDidNotHappen, FaultRefused, FaultRemains, FaultSelectsNothing } from '../errors';
import { proof, type FaultMaker } from './fault-maker';

const undoSchema = z.strictObject({
  version: z.string(),
  how: z.enum(['flip', 'truncate', 'remove', 'add']),
  directory: z.string(),
  file: z.string(),
  backup: z.string(),
});
type Undo = z.infer<typeof undoSchema>;

const EXTRA = 'chaos-added-file';

/**
 * Damages one file of the stored copy of a version. The damaged file is a new one under the old name, so that a copy that
 * has the old one open or mapped goes on with what it loaded; the old one is kept beside the store and put back.
 */
export function corruptArtifact(options: {
  readonly store: Pick<ArtifactStore, 'get' | 'verify' | 'materialise'>;
  /** Of the store: the same file system. */
  readonly root: string;
}): FaultMaker<'corrupt-artifact'> {
  const { store, root } = options;
  return {
    async prepare(service, { version, how }) {
      if ((await store.get(service, version)) === null)
        throw new FaultSelectsNothing(`${service}@${version} is not in the artifact store`);
      const problems = await store.verify(service, version);
      if (problems.length > 0) throw new FaultRefused(`${service}@${version} is damaged already`);
      const { directory } = await store.materialise(service, version);
      const file = how === 'add' ? EXTRA : await fileToDamage(directory);
      const backup = join(root, 'chaos', randomBytes(8).toString('hex'));
      const undo: Undo = { version, how, directory, file, backup };
      return { kind: 'corrupt-artifact', service, target: `${file} of ${service}@${version} (${how})`, undo };
    },
    async inject({ service, undo: given }) {
      const undo = undoSchema.parse(given);
      await damage(undo);
      const problems = await store.verify(service, undo.version);
      const [first] = problems;
      if (first === undefined) throw new FaultDidNotHappen(`${undo.file} was damaged and the store finds nothing`);
      return proof(`${first.path} of ${service}@${undo.version} is damaged: ${first.problem}`, {
        path: first.path,
        problem: first.problem,
        expected: first.expected,
        found: first.found,
      });
    },
    async remove({ service, undo: given }) {
      const undo = undoSchema.parse(given);
      await putBack(undo);
      const problems = await store.verify(service, undo.version);
      if (problems.length > 0)
        throw new FaultRemains(`${service}@${undo.version}: ${problems[0]?.path ?? '?'} is still damaged`);
      return proof(`every file of ${service}@${undo.version} is what its manifest says`);
    },
  };
}

/** The largest file, weights before others: what a real fault of a disk or a copy most likely hits. */
async function fileToDamage(directory: string): Promise<string> {
  const read = await readManifest(directory);
  if (!('value' in read)) throw new FaultRefused(`${directory} has no manifest that can be read`);
  const sized = [...read.value.files].sort(
    (left, right) => Number(right.role === 'weights') - Number(left.role === 'weights') || right.bytes - left.bytes,
  );
  const [first] = sized.filter(({ bytes }) => bytes > 1);
  if (first === undefined) throw new FaultSelectsNothing(`${directory} has no file with content`);
  return first.path;
}

async function damage({ how, directory, file, backup }: Undo): Promise<void> {
  const path = join(directory, file);
  await withWritable(dirname(path), async () => {
    if (how === 'add') return await writeFile(path, 'chaos', { flag: 'wx', mode: 0o444 });
    await mkdir(dirname(backup), { recursive: true, mode: 0o700 });
    await link(path, backup);
    if (how === 'remove') return await rm(path);
    const bytes = await readFile(path);
    const at = Math.floor(bytes.length / 2);
    const damaged = how === 'truncate' ? bytes.subarray(0, at) : Buffer.from(bytes);
    if (how === 'flip') damaged[at] = (damaged[at] ?? 0) ^ 0xff;
    const made = `${backup}.damaged`;
    await writeFile(made, damaged, { mode: 0o444, flush: true });
    await rename(made, path);
  });
}

async function putBack({ how, directory, file, backup }: Undo): Promise<void> {
  const path = join(directory, file);
  await withWritable(dirname(path), async () => {
    if (how === 'add') return await rm(path, { force: true });
    await rm(`${backup}.damaged`, { force: true });
    try {
      // One step: there is no moment without the file. Where both names are the same file rename does nothing.
      await rename(backup, path);
      await rm(backup, { force: true });
    } catch (fault) {
      if (!isMissing(fault)) throw fault;
    }
  });
}

/** Directories of the store are read-only; as root that means nothing, for others it does. */
async function withWritable(directory: string, work: () => Promise<void>): Promise<void> {
  const { mode } = await stat(directory);
  await chmod(directory, mode | 0o200);
  try {
    await work();
  } finally {
    await chmod(directory, mode);
  }
}
