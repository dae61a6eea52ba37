import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isMissing } from '../../disk/atomic-file';
import { RegistryMissing, RegistryUnreachable } from '../registry/errors';
import { noteTags } from '../registry/notes-back';
import type { Registry, RegistryVersion } from '../registry/registry';
import { parseDvcConfig, storageOf } from './dvc-config';
import { gitOn } from './git';
import { gtoVersions, type GitTag } from './gto-tags';
import { artifactPathIn, inside } from './outputs';
import { dvcSource } from './source';
import type { Storage } from './storage';

export interface DvcOptions {
  /** A clone of the repository on this machine, bare or not. */
  readonly repository: string;
  /** Name of the artifact: `fraud-llm`, or `folder:name` where its `dvc.yaml` is in a folder. */
  readonly artifact: string;
  /** Path of the artifact in the repository, where no `dvc.yaml` says it; null: it does. */
  readonly path: string | null;
  /** Name of DVC's remote; null: its default. */
  readonly remote: string | null;
  /** Git remote whose tags are fetched before each look; null: somebody else does. */
  readonly fetch: string | null;
  /** `PATH`, where `git` is looked for. */
  readonly programs: string;
  readonly timeoutMs?: number;
}

const LIMIT_TEXT_BYTES = 4 * 1024 * 1024;
const NOTES_REF = 'refs/notes/lastgood';
const FORMAT = [
  '%(refname)',
  '%(objecttype)',
  '%(objectname)',
  '%(*objecttype)',
  '%(*objectname)',
  '%(creatordate:unix)',
].join('%00');

/**
 * The versions of one artifact in a Git repository: registered and put into stages by GTO's tags, its files in DVC's
 * cache or in a remote on this machine, read without DVC. Notes go to `refs/notes/lastgood` of the clone.
 */
export function dvcRegistry(options: DvcOptions): Registry {
  const { repository, artifact } = options;
  const git = gitOn({
    repository,
    path: options.programs,
    ...(options.timeoutMs ? { timeoutMs: options.timeoutMs } : {}),
  });
  const where = `Git repository ${repository}, artifact ${artifact}`;

  async function tagsAndNotes(signal: AbortSignal): Promise<{ tags: GitTag[]; hasNotes: boolean }> {
    const args = ['for-each-ref', `--format=${FORMAT}`, 'refs/tags', NOTES_REF];
    const lines = (await git.run(args, { signal })).toString('utf8').split('\n');
    const fields = lines.filter((line) => line !== '').map((line) => line.split('\0'));
    const tags = fields.flatMap(([ref = '', type, object = '', peeledType, peeled = '', seconds]) => {
      const commit = type === 'commit' ? object : peeledType === 'commit' ? peeled : null;
      if (commit === null || !ref.startsWith('refs/tags/')) return [];
      return [{ name: ref.slice('refs/tags/'.length), commit, object, at: Number(seconds) * 1_000 }];
    });
    return { tags, hasNotes: fields.some(([ref]) => ref === NOTES_REF) };
  }

  async function noteOf(object: string, signal: AbortSignal): Promise<Record<string, string>> {
    const text = await git
      .run(['notes', '--ref=lastgood', 'show', object], { signal, limitBytes: LIMIT_TEXT_BYTES })
      .catch(() => Buffer.alloc(0));
    const lines = text.toString('utf8').split('\n');
    return Object.fromEntries(
      Object.values(noteTags).flatMap((key) => {
        const line = lines.find((one) => one.startsWith(`${key}: `));
        return line === undefined ? [] : [[key, line.slice(key.length + 2)]];
      }),
    );
  }

  async function storage(signal: AbortSignal): Promise<Storage> {
    const directory = join(repository, '.dvc');
    const local = await Promise.all([
      textIfThere(join(directory, 'config')),
      textIfThere(join(directory, 'config.local')),
    ]);
    const texts = local.filter((text) => text !== null);
    if (texts.length === 0) {
      // A bare clone has no files; a repository whose artifacts are all in Git has no DVC.
      const committed = await git.file('HEAD', '.dvc/config', LIMIT_TEXT_BYTES, signal);
      if (committed !== null) texts.push(committed.toString('utf8'));
    }
    return storageOf(parseDvcConfig(texts), directory, options.remote);
  }

  /** Where the artifact is at a commit. */
  async function pathAt(what: string, commit: string, signal: AbortSignal): Promise<string> {
    if (options.path !== null) return inside(what, options.path);
    const [first = '', second] = artifact.split(':');
    const [folder, name] = second === undefined ? ['.', first] : [first, second];
    const file = posix.join(folder, 'dvc.yaml');
    const text = await git.file(commit, file, LIMIT_TEXT_BYTES, signal);
    const path = text === null ? null : artifactPathIn(`${what}: ${file}`, folder, name, text);
    if (path !== null) return path;
    throw new RegistryMissing(
      `${what}: ${file} ${text === null ? 'is not there' : `has no artifact ${name} with a path`}; add it under artifacts, or set registry.path`,
    );
  }

  return {
    kind: 'dvc',
    where,
    async list(signal) {
      if (options.fetch !== null)
        await git.run(['fetch', '--quiet', '--no-auto-gc', '--tags', options.fetch], { signal });
      const { tags, hasNotes } = await tagsAndNotes(signal);
      const versions = gtoVersions(artifact, tags);
      if (versions.length === 0) throw new RegistryMissing(`${where}: ${await whyNone(tags.length, signal)}`);
      const listed: RegistryVersion[] = [];
      for (const { version, tag, stages } of versions)
        listed.push({
          version,
          id: `v${version}`,
          createdAt: tag.at,
          state: 'ready',
          aliases: stages,
          tags: hasNotes ? await noteOf(tag.object, signal) : {},
          origin: `tag ${tag.name}, commit ${tag.commit}`,
          run: null,
        });
      return listed;
    },
    async open({ version, origin }, signal) {
      const what = `${where}, version ${version}`;
      const commit = origin.slice(origin.lastIndexOf(' ') + 1);
      return dvcSource(git, await storage(signal), { what, commit }, await pathAt(what, commit, signal));
    },
    async note({ origin, tags }, { standing, text, digest = null }, signal) {
      const [, name = ''] = /^tag (\S+), /.exec(origin) ?? [];
      const said = { standing, text, digest };
      const lines = (['standing', 'text', 'digest'] as const).flatMap((key) => {
        const now = said[key] ?? tags[noteTags[key]];
        return now === undefined ? [] : [`${noteTags[key]}: ${oneLine(now)}`];
      });
      const object = (await git.run(['rev-parse', '--verify', '--quiet', `refs/tags/${name}`], { signal }))
        .toString('utf8')
        .trim();
      const args = ['notes', '--ref=lastgood', 'add', '--force', '--file=-', object];
      await git.run(args, { signal, input: `${lines.join('\n')}\n` });
    },
    close: async () => undefined,
  };

  async function whyNone(tags: number, signal: AbortSignal): Promise<string> {
    const shallow = (await git.run(['rev-parse', '--is-shallow-repository'], { signal })).toString('utf8').trim();
    const hint = shallow === 'true' ? '; the clone is shallow: git fetch --unshallow --tags' : '';
    return `found ${tags} tags and none that registers a version (${artifact.replace(':', '=')}@v1.0.0, as \`gto register\` makes it)${hint}`;
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, 4_000);
}

async function textIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (fault) {
    if (isMissing(fault)) return null;
    throw new RegistryUnreachable(fault instanceof Error ? fault.message : String(fault), { cause: fault });
  }
}
