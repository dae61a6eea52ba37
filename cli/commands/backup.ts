import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { BackupManifest } from '../../workers/backup/manifest';
import type { BackupSources } from '../../workers/backup/sources';
import type { Configuration } from '../../workers/configuration/configuration';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure, unreachable } from '../failure';
import { loadWhole } from './whole-configuration';

/** `lastgood backup`: through the processes that own the files, or with their locks where none runs. */
export async function backup(
  context: Context,
  { out, withArtifacts }: { readonly out?: string; readonly withArtifacts: boolean },
): Promise<number> {
  if (out === undefined) throw badUse('where to? --out is needed', 'lastgood backup --out /var/backups');
  const configuration = await loadWhole(context);
  const now = context.terminal.now();
  const file = archiveName(resolve(out), configuration, now);
  const { runPaths } = await import('../../workers/embedded/paths');
  const { makeBackup } = await import('../../workers/backup/backup');
  const paths = runPaths(configuration.dataDir);
  const manifest = await withSources(context, configuration, (sources) =>
    refusing(() => makeBackup({ configuration, paths, sources, out: file, withArtifacts, now })),
  );
  // What was read back is what is on the disk.
  await verified(file);
  return tell(context, file, manifest);
}

export async function verifyBackup(context: Context, archive: string): Promise<number> {
  const file = resolve(archive);
  return tell(context, file, await verified(file));
}

async function verified(file: string): Promise<BackupManifest> {
  const { readArchive } = await import('../../workers/backup/archive');
  const { packageVersion } = await import('../../workers/program');
  return await refusing(() => readArchive(file, packageVersion()));
}

function tell(context: Context, file: string, manifest: BackupManifest): number {
  const { services, files, artifacts, notIncluded, madeAt, release, while: when } = manifest;
  const broken = services.filter(({ breaks }) => breaks.length > 0);
  if (context.json) printJson(context.terminal, { file, ...manifest, files: files.length, ok: broken.length === 0 });
  else {
    const bytes = files.reduce((sum, one) => sum + one.bytes, 0);
    printLines(context.terminal, [
      `${file}: whole; ${files.length} files, ${bytes} bytes; made ${new Date(madeAt).toISOString()} by lastgood ${release}, ${when}`,
      ...services.map(
        ({ service, entries, head, primary, highestEpoch }) =>
          `${service}: ${entries} decisions, head ${head?.hash.slice(0, 16) ?? 'none'}; ${primary ?? 'nobody'} serves, epochs up to ${highestEpoch}`,
      ),
      artifacts === 'included' ? 'versions: with their files' : 'versions: digests and manifests, no files',
      ...(manifest.configuration.redacted ? ['configuration: addresses with a secret in them were redacted'] : []),
      ...notIncluded.map((what) => `NOT in it: ${what}`),
      ...broken.map(
        ({ service, breaks }) => `${service}: its chain does NOT hold: entry ${breaks[0]?.seq}: ${breaks[0]?.problem}`,
      ),
    ]);
  }
  return broken.length === 0 && notIncluded.length === 0 ? exitCodes.ok : exitCodes.needsHuman;
}

function archiveName(out: string, { host }: Configuration, now: number): string {
  const isDirectory = existsSync(out) && statSync(out).isDirectory();
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  const file = isDirectory ? join(out, `lastgood-${host.replace(/[^A-Za-z0-9.-]/g, '-')}-${stamp}.tar.gz`) : out;
  if (existsSync(file)) throw badUse(`--out: ${file} is there; a backup never replaces another one`);
  if (!existsSync(dirname(file))) throw badUse(`--out: there is no directory ${dirname(file)}`);
  return file;
}

/** The controller gives the ledger where it runs; else the data directory is taken first, and the ledger opened here. */
async function withSources<T>(
  context: Context,
  configuration: Configuration,
  work: (sources: BackupSources) => Promise<T>,
): Promise<T> {
  const client = context.client();
  const outline = await client.backup().catch((error: unknown) => {
    if (error instanceof CliFailure && error.exitCode === exitCodes.unreachable) return error;
    throw error;
  });
  if (!(outline instanceof CliFailure)) {
    const heads = new Map(outline.chains.map(({ service, head }) => [service, head]));
    return await work({
      while: 'running',
      chains: {
        services: () => Promise.resolve([...heads.keys()]),
        // As it was at the beginning: what is decided meanwhile is for the next backup.
        head: (service) => Promise.resolve(heads.get(service) ?? null),
        rows: async (service, after, until) => [...(await client.chain(service, after, until)).rows],
      },
      drillSchedule: (service) => client.drillSchedule(service).catch(() => null),
    });
  }
  const { holdDataDirectory, DataDirectoryHeld } = await import('../../workers/embedded/lock');
  const { runPaths } = await import('../../workers/embedded/paths');
  const { makePrivateDirectory } = await import('../../workers/files');
  const paths = runPaths(configuration.dataDir);
  if (!existsSync(configuration.dataDir))
    throw badUse(`there is no data directory ${configuration.dataDir}, so there is nothing to back up`);
  makePrivateDirectory(paths.runDir);
  const lock = await holdDataDirectory(configuration.dataDir, paths.lockFile).catch((error: unknown) => {
    if (!(error instanceof DataDirectoryHeld)) throw error;
    throw unreachable(
      `\`lastgood up\` runs on ${configuration.dataDir}, and its controller does not answer: ${outline.what}`,
      'wait until the controller answers (lastgood doctor), or stop it: then the files are read directly',
    );
  });
  try {
    const { openLedger } = await import('../../workers/ledger');
    const { readEnvironment } = await import('../../workers/environment');
    const book = await openLedger(configuration, readEnvironment(), () => undefined).catch((error: unknown) => {
      const { name, message } = error as Error;
      if (name.startsWith('Ledger') || name === 'ConfigurationError') throw unreachable(message, 'lastgood doctor');
      throw error;
    });
    try {
      return await work({ while: 'down', chains: book, drillSchedule: () => Promise.resolve(null) });
    } finally {
      await book.close();
    }
  } finally {
    await lock.release();
  }
}

/** Refusals are one sentence; anything else is a fault. */
export async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (
      error instanceof Error &&
      (/^Ledger/.test(name) || ['BackupRefused', 'ConfigurationError', 'LayoutUnknown'].includes(name))
    )
      throw new CliFailure(exitCodes.refused, error.message, null, { cause: error });
    throw error;
  }
}
