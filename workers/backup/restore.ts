import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { syncDirectory } from '../../adapters/disk/atomic-file';
import type { ChainRow } from '../../adapters/ledger/chain';
import type { DatabaseLedger } from '../../adapters/ledger/chained-ledger';
import type { Actor } from '../../domain/ledger';
import type { RecoveredState } from '../../domain/service/recovery';
import type { Configuration } from '../configuration/configuration';
import { gatewayConfigOf } from '../configuration/gateway-file';
import { loadConfiguration } from '../configuration/load';
import { claimDataDirectory } from '../data-directory';
import { runPaths } from '../embedded/paths';
import type { Environment } from '../environment';
import { openLedger } from '../ledger';
import { distDirectory, packageVersion } from '../program';
import { readArchive } from './archive';
import { anchorsByService } from './chain-copy';
import { BackupRefused, type BackedUpService, type BackupManifest } from './manifest';
import { refuseUnknownSchemas, refuseUsedDirectory, refuseUsedTemporal } from './restore-checks';
import { ageWords, restoredEntry } from './restored-entry';
import { backedUpRouteSchema, wordsOf } from './sources';

export interface RestoreOptions {
  readonly file: string;
  readonly dataDir: string;
  /** Where the configuration is, or is written from the backup where there is none. */
  readonly configFile: string;
  readonly actor: Actor;
  readonly reason: string;
  readonly environment: Environment;
  readonly now: number;
}

export interface Restored {
  readonly manifest: BackupManifest;
  readonly age: string;
  readonly configFile: string;
  /** What a person should know that is no difference of one service. */
  readonly notes: readonly string[];
}

/**
 * Puts a backup into an empty directory: everything is made beside it and put in place by one rename at the end. Rejects with
 * {@link BackupRefused}, one sentence, and has changed nothing then. (With the ledger in PostgreSQL its tables are filled last.)
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { file, dataDir, environment, now } = options;
  await refuseUsedDirectory(dataDir);
  const manifest = await readArchive(file, packageVersion());
  refuseUnknownSchemas(file, manifest);
  await mkdir(dirname(dataDir), { recursive: true });
  const staging = `${dataDir}.restoring-${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(staging, { mode: 0o700 });
    await extract(file, staging);
    const { configuration, settle } = await configurationFor(options, manifest, staging);
    const names = configuration.services.map(({ name }) => name);
    await refuseUsedTemporal(configuration, environment, [
      ...new Set([...names, ...manifest.services.map((one) => one.service)]),
    ]);
    const notes = [...manifest.notIncluded.map((what) => `not in the backup: ${what}`)];
    await placeArtifacts(configuration, manifest, { staging, dataDir, notes });
    await placeAnchors(configuration, { staging, dataDir, notes });
    if (configuration.router.kind === 'gateway') await placeRoutes(configuration, { staging, dataDir });
    else
      notes.push(
        `${configuration.router.directory} is HAProxy's own and stays as it is: what is in force there is what counts`,
      );
    await claimDataDirectory(staging);
    await fillLedger(configuration, manifest, { ...options, staging, now });
    if (existsSync(dataDir)) await rmdir(dataDir);
    await rename(staging, dataDir);
    await settle();
    await syncDirectory(dirname(dataDir));
    return { manifest, age: ageWords(now - manifest.madeAt), configFile: configuration.file, notes };
  } catch (error) {
    await makeWritable(staging);
    await rm(`${resolve(options.configFile)}.restoring`, { force: true });
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
}

/** Where the parts of the archive lie below the new data directory; what is only to be looked at goes to `restored/`. */
const inPlace = ['evidence/', 'alerts/', 'serving/', 'adapters/', 'artifacts/'];

async function extract(file: string, staging: string): Promise<void> {
  await readArchive(file, packageVersion(), async ({ path, mode }, content) => {
    if (isAbsolute(path) || path.split('/').some((part) => part === '' || part === '.' || part === '..'))
      throw new BackupRefused(`${file}: ${path} would lead out of the directory`);
    const target = join(staging, inPlace.some((start) => path.startsWith(start)) ? path : join('restored', path));
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const out = await open(target, 'wx', 0o600);
    try {
      for await (const piece of content) await out.write(piece);
      await out.sync();
    } finally {
      await out.close();
    }
    await chmod(target, mode & 0o755);
  });
}

/** The site's own file where there is one, else that of the backup. It must lead to the directory that was named. */
async function configurationFor(
  { configFile, dataDir, file }: RestoreOptions,
  manifest: BackupManifest,
  staging: string,
): Promise<{ configuration: Configuration; settle: () => Promise<void> }> {
  const target = resolve(configFile);
  const check = (configuration: Configuration): Configuration => {
    if (configuration.dataDir !== dataDir)
      throw new BackupRefused(
        `--data: found ${dataDir}, but ${target} says dataDir ${configuration.dataDir}: name that directory, or another file with --config`,
      );
    return configuration;
  };
  if (existsSync(target)) return { configuration: check(loadConfiguration(target)), settle: () => Promise.resolve() };
  if (manifest.configuration.redacted)
    throw new BackupRefused(
      `${target} is not there, and that of the backup lacks addresses with a secret in them: write it (\`tar xzOf ${file} configuration/lastgood.yaml\`) and restore again`,
    );
  // Its paths are relative to where it will lie.
  const temporary = `${target}.restoring`;
  await writeFile(temporary, await readFile(join(staging, 'restored', 'configuration', 'lastgood.yaml')), {
    mode: 0o600,
  });
  try {
    return {
      configuration: { ...check(loadConfiguration(temporary)), file: target },
      settle: () => rename(temporary, target),
    };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

interface Places {
  readonly staging: string;
  readonly dataDir: string;
  readonly notes: string[];
}

/** The same place below the directory that is still being made; null where it lies elsewhere. */
function staged(path: string, { staging, dataDir }: Pick<Places, 'staging' | 'dataDir'>): string | null {
  return path.startsWith(dataDir + sep) ? join(staging, path.slice(dataDir.length + 1)) : null;
}

async function placeArtifacts(configuration: Configuration, manifest: BackupManifest, places: Places): Promise<void> {
  const { artifactDirectory } = configuration;
  const from = join(places.staging, 'artifacts');
  const to = staged(artifactDirectory, places);
  if (!existsSync(from)) return;
  if (to === null) {
    await rename(from, join(places.staging, 'restored', 'artifacts'));
    places.notes.push(`the artifact store ${artifactDirectory} is not below the data directory and stays as it is`);
    return;
  }
  if (to !== from) {
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await rename(from, to);
  }
  if (manifest.artifacts === 'digests')
    places.notes.push(
      'the backup has the digests of the versions, not their files: import them again, each gets its old place',
    );
  // As the store leaves them: a file of a version is never written to again.
  if (existsSync(join(to, 'objects'))) await eachFolder(join(to, 'objects'), (folder) => chmod(folder, 0o555), 1);
}

async function placeAnchors(configuration: Configuration, places: Places): Promise<void> {
  const from = join(places.staging, 'restored', 'anchors', 'ledger.jsonl');
  const to = staged(configuration.ledger.anchorFile, places);
  if (!existsSync(from) || to === null) return;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await rename(from, to);
}

/** By the gateway's own program: nobody else opens its database. */
async function placeRoutes(configuration: Configuration, places: Pick<Places, 'staging' | 'dataDir'>): Promise<void> {
  const directory = join(places.staging, 'restored', 'routes');
  const files = existsSync(directory) ? await readdir(directory) : [];
  const routes = await Promise.all(
    files.map(async (file) => backedUpRouteSchema.parse(JSON.parse(await readFile(join(directory, file), 'utf8')))),
  );
  const stored = routes.flatMap((route) => (route.router === 'gateway' ? [route.stored] : []));
  const dataDir = staged(gatewayConfigOf(configuration, runPaths(configuration.dataDir)).dataDir, places);
  if (stored.length === 0 || dataDir === null) return;
  const program = join(distDirectory(), 'gateway', 'main.js');
  await new Promise<void>((done, failed) => {
    const args = [program, '--put-back', dataDir, '--release', packageVersion()];
    const child = execFile(process.execPath, args, { timeout: 60_000 }, (error, _out, words) =>
      error === null ? done() : failed(new Error(words.trim() || error.message, { cause: error })),
    );
    child.stdin?.end(JSON.stringify(stored));
  });
}

async function fillLedger(
  configuration: Configuration,
  manifest: BackupManifest,
  options: RestoreOptions & { readonly staging: string },
): Promise<void> {
  const { staging, dataDir, environment } = options;
  const { ledger, file } = configuration;
  const anchorFile = staged(ledger.anchorFile, { staging, dataDir }) ?? ledger.anchorFile;
  const anchors = await anchorsByService(anchorFile);
  const where = { ...ledger, anchorFile, file: staged(ledger.file, { staging, dataDir }) ?? ledger.file };
  const book = await openLedger({ ledger: where, file }, environment, () => undefined);
  try {
    const there = await book.services();
    if (there.length > 0)
      throw new BackupRefused(
        `the ledger in PostgreSQL has decisions of ${there.join(', ')} already: restore into an empty schema (ledger.postgres.schema)`,
      );
    const known = new Map(manifest.services.map((one) => [one.service, one]));
    const names = new Set([...known.keys(), ...configuration.services.map(({ name }) => name)]);
    for (const name of names)
      await fillChain(book, known.get(name) ?? unknownService(name), { manifest, options, anchors });
  } finally {
    await book.close();
  }
}

async function fillChain(
  book: DatabaseLedger,
  service: BackedUpService,
  {
    manifest,
    options,
    anchors,
  }: {
    manifest: BackupManifest;
    options: RestoreOptions & { readonly staging: string };
    anchors: Awaited<ReturnType<typeof anchorsByService>>;
  },
): Promise<void> {
  const { staging } = options;
  const name = encodeURIComponent(service.service);
  const chain = join(staging, 'restored', 'ledger', `${name}.jsonl`);
  if (existsSync(chain)) await book.putBack(service.service, pagesOf(chain));
  const head = await book.head(service.service);
  if (head?.hash !== service.head?.hash)
    throw new BackupRefused(`the chain of ${service.service} ends with another entry than the backup says`);
  const stateFile = join(staging, 'restored', 'states', `${name}.json`);
  const { state, drillSchedule } = existsSync(stateFile)
    ? (JSON.parse(await readFile(stateFile, 'utf8')) as {
        state: RecoveredState | null;
        drillSchedule: { everyMs: number | null; cron: string | null } | null;
      })
    : { state: null, drillSchedule: null };
  const furthest = Math.max(0, ...(anchors.get(service.service) ?? []).map(({ seq }) => seq));
  await book.append(
    restoredEntry({ ...options, file: basename(options.file), manifest }, service, {
      state,
      drillSchedule: drillSchedule === null ? null : (drillSchedule.cron ?? `every ${drillSchedule.everyMs} ms`),
      anchorBeyond: furthest > (head?.seq ?? 0) ? furthest : null,
    }),
  );
}

/** Configured since: nothing is known of it, and it begins in `observe` like the others. */
function unknownService(service: string): BackedUpService {
  return { service, head: null, entries: 0, breaks: [], highestEpoch: 0, mode: null, primary: null };
}

async function* pagesOf(file: string): AsyncGenerator<ChainRow[]> {
  const handle = await open(file, 'r');
  try {
    let page: ChainRow[] = [];
    for await (const line of handle.readLines()) {
      page.push(JSON.parse(line) as ChainRow);
      if (page.length < 500) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new BackupRefused(`${basename(file)}: not as lastgood writes it: ${wordsOf(error)}`);
    throw error;
  } finally {
    await handle.close().catch(() => undefined);
  }
}

async function makeWritable(directory: string): Promise<void> {
  if (existsSync(directory)) await eachFolder(directory, (folder) => chmod(folder, 0o700), 0);
}

/** Folders from the given depth on, the outer ones first. */
async function eachFolder(folder: string, work: (folder: string) => Promise<void>, fromDepth: number): Promise<void> {
  if (fromDepth <= 0) await work(folder);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await eachFolder(join(folder, entry.name), work, fromDepth - 1);
}
