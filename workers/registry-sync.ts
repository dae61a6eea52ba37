import { join } from 'node:path';
import { defaultLimits } from '../adapters/artifacts/content';
import { RegistryMissing } from '../adapters/artifacts/registry/errors';
import { listWithin } from '../adapters/artifacts/registry/list-within';
import { placeOf, type Move } from '../adapters/artifacts/registry/look';
import { versionMeant } from '../adapters/artifacts/registry/names';
import { pullVersion, type Pulled, type PullOptions } from '../adapters/artifacts/registry/pull';
import { RegistryRecords, type Seen } from '../adapters/artifacts/registry/records';
import type { RegistryVersion } from '../adapters/artifacts/registry/registry';
import { noteOrigin, syncRegistry, type SyncReport } from '../adapters/artifacts/registry/sync';
import type { Standing } from '../domain/version';
import { judgeEvaluation } from '../domain/service/standing';
import type { Adapters } from './composition';
import { serviceNamed, type Configuration, type ServiceConfiguration } from './configuration/configuration';
import type { RegistryConfiguration } from './configuration/registry-schema';

export type { Adapters, Pulled, Seen, SyncReport };

export interface LookOptions {
  readonly signal: AbortSignal;
  /** By version, as the service workflow has them; null while nobody can say. */
  readonly standings: ReadonlyMap<string, Standing> | null;
  readonly dryRun?: boolean;
  readonly onMoves?: (moves: readonly Move[], at: number) => Promise<void>;
  readonly progress?: Progress;
}

type Progress = NonNullable<PullOptions['progress']>;
export type Parts = { readonly configuration: Configuration; readonly adapters: Adapters };

/** One look at the registry of a service; see `syncRegistry`. */
export async function lookAtRegistry(parts: Parts, service: string, options: LookOptions): Promise<SyncReport> {
  const { configured, policy } = registryOf(parts, service);
  const { standings, onMoves } = options;
  const standing = (version: string): Standing | null => standings?.get(version) ?? null;
  const { keep, lookBack, follow, writeBack } = configured;
  return await syncRegistry({
    ...pullOptions(parts, service, options),
    records: registryRecords(parts.configuration),
    now: Date.now,
    ...{ keep, lookBack, follow, writeBack },
    judge: (reports) => judgeEvaluation(reports, policy),
    choosable: (version) => standing(version) !== 'quarantined' && standing(version) !== 'revoked',
    // Nothing was decided about a candidate, so there is nothing to tell.
    standing: (version) => (standing(version) === 'candidate' ? null : standing(version)),
    dryRun: options.dryRun === true,
    ...(onMoves === undefined ? {} : { onMoves }),
  });
}

export interface PullRequest {
  readonly signal: AbortSignal;
  /** `v12`, `12`, `@alias`; or the newest so many that are ready. */
  readonly wanted: string | { readonly newest: number };
  readonly progress?: (version: string) => Progress;
}

/** Brings versions in because somebody asked for them, validated or not; oldest first. */
export async function pullFromRegistry(parts: Parts, service: string, request: PullRequest): Promise<Pulled[]> {
  const { registry } = registryOf(parts, service);
  const records = registryRecords(parts.configuration);
  return await records.alone(service, async () => {
    const seen = await records.read(service);
    const versions = await listWithin(registry, request.signal);
    const pulled: Pulled[] = [];
    for (const entry of chosen(versions, request.wanted, registry.where)) {
      const progress = request.progress?.(entry.version);
      const options = pullOptions(parts, service, { signal: request.signal, ...(progress ? { progress } : {}) });
      const result = await pullVersion(entry, options, placeOf(entry, registry, seen, Date.now()));
      if (result.outcome === 'imported') await noteOrigin(entry, result.info, { ...options, now: Date.now });
      pulled.push(result);
    }
    return pulled;
  });
}

function chosen(versions: readonly RegistryVersion[], wanted: PullRequest['wanted'], where: string): RegistryVersion[] {
  if (typeof wanted === 'string') return [versionMeant(wanted, versions, where)];
  const ready = versions.filter(({ state }) => state === 'ready').slice(0, wanted.newest);
  if (ready.length === 0) throw new RegistryMissing(`${where}: there is no version that is ready`);
  return ready.reverse();
}

/** Every version of the registry, newest first; changes nothing. */
export async function listRegistry(parts: Parts, service: string, signal: AbortSignal): Promise<RegistryVersion[]> {
  return await listWithin(registryOf(parts, service).registry, signal);
}

/** What was seen at the last look; null: there was none. */
export async function lastLook(configuration: Configuration, service: string): Promise<Seen | null> {
  return await registryRecords(configuration).read(service);
}

function registryRecords({ artifactDirectory }: Configuration): RegistryRecords {
  return new RegistryRecords(artifactDirectory);
}

function pullOptions(
  parts: Parts,
  service: string,
  { signal, progress }: { readonly signal: AbortSignal; readonly progress?: Progress },
): PullOptions {
  const { registry, configured } = registryOf(parts, service);
  return {
    registry,
    store: parts.adapters.store,
    rules: configured.rules,
    stagingDirectory: join(parts.configuration.artifactDirectory, 'staging'),
    limits: defaultLimits,
    signal,
    ...(progress === undefined ? {} : { progress }),
  };
}

function registryOf(
  { configuration, adapters }: Parts,
  service: string,
): {
  readonly registry: NonNullable<ReturnType<Adapters['registries']['of']>>;
  readonly configured: RegistryConfiguration;
  readonly policy: ServiceConfiguration['policy'];
} {
  const known = serviceNamed(configuration, service);
  const registry = adapters.registries.of(service);
  const configured = known?.registry ?? null;
  if (known !== undefined && configured !== null && registry !== null)
    return { registry, configured, policy: known.policy };
  throw new RegistryMissing(
    known === undefined
      ? `service ${service} is not in ${configuration.file}`
      : `service ${service} has no registry in ${configuration.file}: set services.${service}.registry`,
  );
}
