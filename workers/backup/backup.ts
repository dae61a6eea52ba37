import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hasCode } from '../../adapters/disk/atomic-file';
import { ledgerSchemaVersion } from '../../adapters/ledger/schema';
import { gatewaySchemaVersion } from '../../gateway/storage-schema';
import type { Configuration } from '../configuration/configuration';
import { dataDirectorySchema } from '../data-directory';
import type { RunPaths } from '../embedded/paths';
import { packageVersion } from '../program';
import { ArchiveWriter } from './archive';
import { anchorsByService, copyChain, recordedState } from './chain-copy';
import { backupForm, type BackedUpService, type BackupManifest } from './manifest';
import { redactedConfiguration } from './redaction';
import { routesNow, type BackedUpRoute, type BackupSources } from './sources';

export interface BackupOptions {
  readonly configuration: Configuration;
  readonly paths: RunPaths;
  readonly sources: BackupSources;
  /** The archive; nobody may have written one there. */
  readonly out: string;
  readonly withArtifacts: boolean;
  readonly now: number;
}

/**
 * One archive of everything that decisions rest on. Routes first, chains after them: a decision is in the ledger before its
 * effect, so no route in the archive is without its decision. Nothing is left where it fails.
 */
export async function makeBackup(options: BackupOptions): Promise<BackupManifest> {
  const { configuration, paths, sources, out, withArtifacts, now } = options;
  const writer = await ArchiveWriter.create(out);
  try {
    const text = redactedConfiguration(readFileSync(configuration.file, 'utf8'));
    await writer.add('configuration/lastgood.yaml', text.text);
    const { routes, problems } = await routesNow(configuration, paths);
    for (const [service, route] of routes) await writer.add(`routes/${service}.json`, json(route));
    const services = await addServices(writer, options, routes);
    await addTree(writer, 'evidence', join(configuration.dataDir, 'evidence'), /\.(svg|ndjson)$/);
    await addTree(writer, 'alerts', join(configuration.dataDir, 'alerts'), /\.jsonl$/);
    await addIfThere(writer, 'anchors/ledger.jsonl', configuration.ledger.anchorFile);
    for (const { name, serving } of configuration.services) {
      if (serving.runtime !== 'triton') continue;
      await addTree(writer, `serving/${name}`, join(configuration.dataDir, 'serving', name), /\.json$/);
    }
    await addTree(writer, 'adapters', join(configuration.dataDir, 'adapters'), /\.json$/);
    await addArtifacts(writer, configuration.artifactDirectory, withArtifacts);
    return await writer.finish({
      form: backupForm,
      release: packageVersion(),
      schemas: { ledger: ledgerSchemaVersion, gateway: gatewaySchemaVersion, dataDirectory: dataDirectorySchema },
      madeAt: now,
      host: configuration.host,
      while: sources.while,
      configuration: { file: basename(configuration.file), redacted: text.redacted },
      artifacts: withArtifacts ? 'included' : 'digests',
      services,
      notIncluded: problems,
    });
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

async function addServices(
  writer: ArchiveWriter,
  { configuration, sources, out }: BackupOptions,
  routes: ReadonlyMap<string, BackedUpRoute>,
): Promise<BackedUpService[]> {
  const { chains } = sources;
  const configured = configuration.services.map(({ name }) => name);
  const names = [...new Set([...(await chains.services()), ...configured])].sort();
  const anchors = await anchorsByService(configuration.ledger.anchorFile);
  const services: BackedUpService[] = [];
  for (const service of names) {
    const rows = `${out}.${randomBytes(6).toString('hex')}.rows.tmp`;
    try {
      const { head, entries, breaks } = await copyChain(chains, service, rows, anchors.get(service) ?? []);
      await writer.addFile(`ledger/${encodeURIComponent(service)}.jsonl`, rows);
      const state = breaks.length === 0 ? await recordedState(chains, service) : null;
      const drillSchedule = configured.includes(service) ? await sources.drillSchedule(service) : null;
      await writer.add(`states/${encodeURIComponent(service)}.json`, json({ state, drillSchedule }));
      const route = routes.get(service);
      const seen = route === undefined ? null : route.router === 'gateway' ? route.stored : route.state;
      services.push({
        service,
        head,
        entries,
        breaks: [...breaks],
        highestEpoch: Math.max(
          state?.highestEpoch ?? 0,
          state?.route?.epoch ?? 0,
          seen?.record?.epoch ?? 0,
          seen?.floor ?? 0,
        ),
        mode: state?.mode ?? null,
        primary: seen?.record?.primary ?? null,
      });
    } finally {
      await rm(rows, { force: true });
    }
  }
  return services;
}

/** Names, notes, signatures and manifests always; the contents where they are asked for. */
async function addArtifacts(writer: ArchiveWriter, root: string, whole: boolean): Promise<void> {
  for (const folder of ['services', 'notes', 'signatures'])
    await addTree(writer, `artifacts/${folder}`, join(root, folder), /^/);
  if (whole) return await addTree(writer, 'artifacts/objects', join(root, 'objects'), /^/);
  for (const digest of await namesIn(join(root, 'objects')))
    await addIfThere(writer, `artifact-manifests/${digest}.json`, join(root, 'objects', digest, 'manifest.json'));
}

/** Regular files below the directory whose path fits; never a link. */
async function addTree(writer: ArchiveWriter, as: string, directory: string, fits: RegExp): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .filter((path) => fits.test(path) && !path.endsWith('.tmp'))
    .sort();
  for (const path of files) await addIfThere(writer, `${as}/${path}`, join(directory, path));
}

/** What vanished since it was listed was replaced or removed by its owner. */
async function addIfThere(writer: ArchiveWriter, as: string, file: string): Promise<void> {
  try {
    await writer.addFile(as, file);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  });
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}
