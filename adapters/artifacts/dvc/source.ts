import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { RegistryMissing, RegistryVersionRefused } from '../registry/errors';
import type { RemoteFile, VersionSource } from '../registry/registry';
import type { Git } from './git';
import { inside } from './outputs';
import { fetchObject, readObject, sizeOfObject, type Storage } from './storage';
import { orMissing, trackedAt, type Commit, type Tracked } from './tracked';

/** What Git holds is read whole; weights belong to DVC. */
const LIMIT_BLOB_BYTES = 64 * 1024 * 1024;
const LFS_MARK = 'version https://git-lfs.github.com/spec/';

/** The files of one artifact at one commit, out of DVC's storage and Git; those of the repository stand beside it. */
export function dvcSource(git: Git, storage: Storage, commit: Commit, path: string): VersionSource {
  const { what } = commit;
  let known: ReadonlyMap<string, Tracked> | null = null;

  /** A commit never changes, so one look is enough. */
  async function files(signal: AbortSignal): Promise<ReadonlyMap<string, Tracked>> {
    if (known !== null) return known;
    const tracked = orMissing(await trackedAt(git, storage, commit, path, signal), commit, path);
    known = new Map(tracked.map((file) => [file.path === '' ? basename(path) : file.path, file]));
    return known;
  }

  async function blob(
    of: string,
    { blob: id, bytes }: Extract<Tracked, { kind: 'git' }>,
    signal: AbortSignal,
  ): Promise<Buffer> {
    if (bytes > LIMIT_BLOB_BYTES)
      throw new RegistryVersionRefused(
        `${of}: is in Git itself and has ${bytes} bytes, at most ${LIMIT_BLOB_BYTES} are read`,
      );
    const content = await git.run(['cat-file', 'blob', id], { signal, limitBytes: LIMIT_BLOB_BYTES });
    if (content.subarray(0, LFS_MARK.length).toString('latin1') === LFS_MARK)
      throw new RegistryVersionRefused(`${of}: is kept by Git LFS, which is not read; track it with DVC`);
    return content;
  }

  async function whole(of: string, file: Tracked, limitBytes: number, signal: AbortSignal): Promise<Buffer> {
    if (file.kind === 'dvc') return await readObject(storage, { what: of, object: file.object, limitBytes });
    if (file.bytes > limitBytes)
      throw new RegistryVersionRefused(`${of}: has ${file.bytes} bytes, at most ${limitBytes} are read`);
    return await blob(of, file, signal);
  }

  return {
    async files(signal) {
      const found: RemoteFile[] = [];
      for (const [name, file] of await files(signal)) {
        const bytes = file.kind === 'git' ? file.bytes : await sizeOfObject(storage, `${what}: ${name}`, file.object);
        found.push({ path: name, bytes });
      }
      return found.sort((left, right) => (left.path < right.path ? -1 : 1));
    },
    async fetch({ path: name }, target, limitBytes, signal) {
      const of = `${what}: ${name}`;
      const file = (await files(signal)).get(name);
      if (file === undefined) throw new RegistryMissing(`${of}: is not in the artifact`);
      if (file.kind === 'dvc')
        await fetchObject(storage, { what: of, object: file.object, limitBytes, signal }, target);
      else await writeFile(target, await blob(of, file, signal), { flag: 'wx', mode: 0o600 });
    },
    async small(name, limitBytes, signal) {
      const of = `${what}: ${name}`;
      const own = (await files(signal)).get(name);
      if (own !== undefined) return await whole(of, own, limitBytes, signal);
      const [beside, another] = (await trackedAt(git, storage, commit, inside(of, name), signal)) ?? [];
      return beside === undefined || another !== undefined || beside.path !== ''
        ? null
        : await whole(of, beside, limitBytes, signal);
    },
    figures: async () => null,
  };
}
