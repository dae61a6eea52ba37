import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeFormats } from '../formats/code-format';
import type { DirectoryStore, ImportResult } from '../directory-store';
import { MANIFEST } from '../paths';
import { roleOf, writeManifest } from '../write-manifest';
import { RegistryVersionRefused } from './errors';
import type { Registry, RegistryVersion, RemoteFile, VersionSource } from './registry';
import { lackOf, madeReport, manifestIn, type ImportRules } from './reports';
import { fetchAll, inStaging, type FetchOptions } from './staging';

type Role = ReturnType<typeof roleOf>;

export interface PullOptions extends Omit<FetchOptions, 'what'> {
  readonly registry: Registry;
  readonly store: DirectoryStore;
  readonly rules: ImportRules;
  /** On the disk of the store. */
  readonly stagingDirectory: string;
}

export interface Pulled extends ImportResult {
  /** What it does not bring, in words. */
  readonly lacks: readonly string[];
}

/** Reports that were not among the version's own files stand here, apart from them. */
const FOLDER = 'lastgood';
const LIMIT_REPORT_BYTES = 4 * 1024 * 1024;

/**
 * Brings one version into the store: every file into staging, then our own manifest with the digest of each, then the
 * store's own import. The same content gives the same manifest, so a second pull is `already-there`. Rejects with a
 * `RegistryError` or with the store's `ArtifactRefused`; the store is then as before, and staging is empty again. `placedAt`: its
 * place among the versions, see `placeOf`.
 */
export async function pullVersion(
  entry: RegistryVersion,
  options: PullOptions,
  placedAt: number = entry.createdAt,
): Promise<Pulled> {
  const { registry, store, rules, signal } = options;
  const what = `${rules.service}@${entry.version}`;
  if (entry.state !== 'ready')
    throw new RegistryVersionRefused(`${what}: the registry says that it is ${entry.state}, expected ready`);
  const source = await registry.open(entry, signal);
  return await inStaging(options.stagingDirectory, async (directory) => {
    const files = await fetchAll(source, directory, { ...options, what });
    signal.throwIfAborted();
    const lacks = files.some(({ path }) => path === MANIFEST)
      ? await takeManifest(directory, what, entry, rules)
      : await makeManifest(directory, files, source, entry, options);
    signal.throwIfAborted();
    const result = await store.import(directory, { madeAt: placedAt });
    return { ...result, lacks };
  });
}

async function takeManifest(
  directory: string,
  what: string,
  entry: RegistryVersion,
  rules: ImportRules,
): Promise<string[]> {
  const { files } = manifestIn(await readFile(join(directory, MANIFEST)), what, rules, entry.version);
  return (['evaluation', 'probes'] as const)
    .filter((role) => !files.some((file) => file.role === role))
    .map((role) => lackOf(role, null));
}

async function makeManifest(
  directory: string,
  files: readonly RemoteFile[],
  source: VersionSource,
  entry: RegistryVersion,
  { rules, signal, limits }: PullOptions,
): Promise<string[]> {
  const what = `${rules.service}@${entry.version}`;
  const clash = files.find(({ path }) => path.toLowerCase().split('/')[0] === FOLDER);
  if (clash)
    throw new RegistryVersionRefused(
      `${what}: found ${clash.path}, expected nothing in ${FOLDER}/, where what lastgood adds is put`,
    );
  const roles = new Map<string, Role>();
  for (const { path } of files) if (isReport(roleOf(path))) roles.set(path, 'other');
  const lacks: string[] = [];
  const add = async (name: string, role: Role, content: Buffer | string): Promise<void> => {
    const path = `${FOLDER}/${name}`;
    await mkdir(dirname(join(directory, path)), { recursive: true, mode: 0o700 });
    await writeFile(join(directory, path), content, { flag: 'wx', mode: 0o600 });
    roles.set(path, role);
  };
  /** One of its own files, or one beside it. */
  const take = async (path: string, role: 'evaluation' | 'probes' | 'profile'): Promise<boolean> => {
    if (files.some((file) => file.path === path)) {
      roles.set(path, role);
      return true;
    }
    const bytes = await source.small(path, LIMIT_REPORT_BYTES, signal);
    if (bytes === null) return false;
    await add(`${role}.json`, role, bytes);
    return true;
  };

  const made = await madeReport(source, entry, rules, signal);
  if (made === null) {
    const file = rules.evaluation.from === 'file' ? rules.evaluation.file : '';
    if (!(await take(file, 'evaluation'))) lacks.push(lackOf('evaluation', file));
  } else if ('report' in made) await add('evaluation.json', 'evaluation', `${JSON.stringify(made.report, null, 2)}\n`);
  else lacks.push(`no evaluation report: ${made.missing.join('; ')}`);
  if (!(await take(rules.probes, 'probes'))) lacks.push(lackOf('probes', rules.probes));
  await take(rules.profile, 'profile');

  await writeManifest(directory, {
    service: rules.service,
    version: entry.version,
    model: rules.model,
    engine: rules.engine,
    preprocessing: preprocessingOf(what, entry, rules),
    roles,
    dryRun: false,
    force: false,
    limits,
    // What this host lets in is said once, by the import.
    allowed: codeFormats,
    // Not the time of this pull: the same version gives the same digest whenever it is pulled.
    now: () => entry.createdAt,
  });
  return lacks;
}

function isReport(role: Role): boolean {
  return role === 'evaluation' || role === 'probes' || role === 'profile';
}

function preprocessingOf(what: string, entry: RegistryVersion, { preprocessing }: ImportRules): string {
  if ('text' in preprocessing) return preprocessing.text;
  const found = entry.tags[preprocessing.tag];
  if (found !== undefined && found !== '') return found;
  throw new RegistryVersionRefused(
    `${what}: has no tag "${preprocessing.tag}", expected the version of its preprocessing there (registry.preprocessing)`,
  );
}
