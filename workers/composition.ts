import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { ArtifactStore, Engine, GoldenProbe, ServingRuntime, Telemetry, TrafficRouter } from '../activities/ports';
import type { ServingPlaces } from '../activities/watch-serving';
import type { DirectoryStore } from '../adapters/artifacts/directory-store';
import { withExternalVersions, type ExternalVersions } from '../adapters/artifacts/observed-versions';
import { artifactListing as listing } from '../adapters/artifacts/listing';
import { withRegistryNotes } from '../adapters/artifacts/registry/noted-versions';
import { externalRuntime } from '../adapters/serving/external-runtime';
import type { SampledInputs } from '../adapters/environment/sampled-inputs';
import { withReleases } from '../adapters/serving/released';
import { openDockerRuntime } from '../adapters/serving/docker/docker-runtime';
import { openAiEngine } from '../adapters/serving/openai';
import { openInferenceEngine } from '../adapters/serving/open-inference';
import { plainHttpEngine } from '../adapters/serving/plain-http';
import { tritonEngine } from '../adapters/serving/triton/engine';
import { openTritonRuntime, tritonRecords } from '../adapters/serving/triton/triton-runtime';
import { openProcessRuntime } from '../adapters/serving/process-runtime';
import { tgiEngine } from '../adapters/serving/tgi';
import { vllmEngine } from '../adapters/serving/vllm';
import { openAdapterRuntime } from '../adapters/serving/vllm-adapters/adapter-runtime';
import { gatewayTelemetry } from '../adapters/telemetry/gateway';
import { haproxyTelemetry } from '../adapters/telemetry/haproxy';
import { openArtifactStore } from './artifact-store';
import {
  ConfigurationError,
  serviceNamed,
  type Configuration,
  type ConfiguredProbe,
  type ServiceConfiguration,
} from './configuration/configuration';
import { LOOPBACK } from './configuration/hosts-schema';
import type { RunPaths } from './embedded/paths';
import { readEnvironment, type Environment } from './environment';
import { openRegistries, type Registries } from './registries';
import { haproxyOptions, openRouter } from './router';
import { expectProofs } from './server-proofs';

/** The adapters of one process, built from the configuration: the only place that does. */
export { codeFormats } from '../adapters/artifacts/formats/code-format';
export { isRole, roleNames, writeManifest } from '../adapters/artifacts/write-manifest';

export interface Adapters {
  /** What was imported. */
  readonly store: DirectoryStore;
  /** What was imported, and what is served at configured addresses. */
  readonly versions: ArtifactStore;
  /** Where versions come from. */
  readonly registries: Registries;
  readonly router: TrafficRouter & { close(): Promise<void> };
  readonly telemetry: Telemetry & SampledInputs & { close(): Promise<void> };
  engineOf(service: string): Engine;
  runtimeOf(service: string): ServingRuntime;
  /** Where something else serves the service; null where lastgood does. */
  servedAt(service: string): ServingPlaces | null;
  close(): Promise<void>;
}

export async function openAdapters(
  configuration: Configuration,
  paths: RunPaths,
  environment: Pick<Environment, 'path' | 'inherited'> = readEnvironment(),
  onNoteFailed: (service: string, version: string, fault: unknown) => void = () => undefined,
  purpose: 'work' | 'look' = 'work',
): Promise<Adapters> {
  const router = openRouter(configuration, paths);
  const haproxy = haproxyOptions(configuration);
  const gateway = gatewayTelemetry({ address: paths.gatewayControl });
  // With HAProxy the gateway process keeps the answer record, and nothing else that could be measured.
  const telemetry = haproxy === null ? gateway : haproxyTelemetry({ ...haproxy, answers: gateway });
  const engines = new Map(configuration.services.map((service) => [service.name, engineFor(service)]));
  const runtimes = new Map<string, ServingRuntime>();
  for (const service of configuration.services) {
    const engine = engines.get(service.name) as Engine;
    if (purpose === 'work' || service.serving.runtime === 'external')
      runtimes.set(service.name, await openRuntime(configuration, service, engine, environment));
  }
  const store = await openArtifactStore(configuration, purpose);
  const external = new Map(
    configuration.services.map((service) => [service.name, externalVersions(service, engines.get(service.name))]),
  );
  const places = new Map(configuration.services.map((service) => [service.name, servingPlaces(service)]));
  const registries = openRegistries(configuration, environment);
  const versions = withExternalVersions(store, (service) => external.get(service) ?? null);
  const notedAt = (service: string): ReturnType<Registries['of']> =>
    serviceNamed(configuration, service)?.registry?.writeBack === true ? registries.of(service) : null;
  return {
    store,
    versions: withRegistryNotes(versions, { registryOf: notedAt, onFailed: onNoteFailed }),
    registries,
    servedAt: (service) => places.get(service) ?? null,
    router,
    telemetry,
    engineOf: (service) => known(engines, configuration, service),
    runtimeOf: (service) => known(runtimes, configuration, service),
    close: async () => {
      await Promise.all([
        router.close(),
        telemetry.close(),
        registries.close(),
        ...(haproxy === null ? [] : [gateway.close()]),
      ]);
    },
  };
}

/**
 * The adapters of who only looks. The runtimes that start copies keep records in directories of their own, which opening makes;
 * those of servers that something else runs keep nothing. The form of the artifact store is read and not written down.
 */
export async function openToLook(
  configuration: Configuration,
  paths: RunPaths,
  environment?: Pick<Environment, 'path' | 'inherited'>,
): Promise<Adapters> {
  return await openAdapters(configuration, paths, environment, undefined, 'look');
}

function known<T>(map: ReadonlyMap<string, T>, configuration: Configuration, service: string): T {
  const found = map.get(service);
  if (found !== undefined) return found;
  // A workflow of a service that was taken out of the configuration still runs.
  throw new Error(`service ${service} is not in ${configuration.file}`);
}

function servingPlaces({ serving, model }: ServiceConfiguration): ServingPlaces | null {
  if (serving.runtime !== 'external') return null;
  const { serves } = serving;
  if ('address' in serves) return { model, places: [{ configured: null, address: serves.address }] };
  const places = Object.entries(serves.versions).map(([configured, address]) => ({ configured, address }));
  return { model, places };
}

function externalVersions(
  { serving, model }: ServiceConfiguration,
  engine: Engine | undefined,
): ExternalVersions | null {
  if (serving.runtime !== 'external' || engine === undefined) return null;
  const versions = 'versions' in serving.serves ? serving.serves.versions : {};
  return { model, engine, versions, probes: goldenProbes(serving.probes) };
}

/** Those that say which answer must come. */
function goldenProbes(probes: readonly ConfiguredProbe[]): GoldenProbe[] {
  return probes.flatMap(({ id, request, expect }) => {
    if (expect === undefined) return [];
    const { output, value, tolerance, tokens } = expect;
    const more = { ...(tolerance === undefined ? {} : { tolerance }), ...(tokens === undefined ? {} : { tokens }) };
    return [{ id, request, expect: { output, value, ...more } }];
  });
}

export function engineFor(service: ServiceConfiguration): Engine {
  const { serving } = service;
  expectProofs(service);
  if (serving.runtime === 'triton') return tritonEngine({ records: tritonRecords(serving.directory) });
  const { engine, digestHeader, versionHeader, canary, http } = serving;
  const apiKey = apiKeyOf(service);
  const secret = apiKey === null ? {} : { apiKey };
  const fingerprintProbes = serving.runtime === 'external' ? serving.probes.map(({ request }) => request) : [];
  const identity = {
    ...(digestHeader === null ? {} : { digestHeader }),
    ...(versionHeader === null ? {} : { versionHeader }),
    ...(fingerprintProbes.length === 0 ? {} : { fingerprintProbes }),
  };
  const outputs = Object.keys(http.outputs).length === 0 ? {} : { outputs: http.outputs };
  const proof = canary === null ? {} : { canary };
  switch (engine) {
    case 'open-inference':
      return openInferenceEngine(identity);
    case 'openai':
      return openAiEngine({ ...identity, ...outputs, ...secret });
    case 'vllm':
      return vllmEngine({ ...identity, ...outputs, ...secret, ...proof });
    case 'tgi':
      return tgiEngine({ ...identity, ...outputs, ...secret, ...proof });
    case 'plain-http': {
      const { identity: named } = http;
      return plainHttpEngine({
        ...identity,
        readyPath: http.ready,
        inferPath: http.infer,
        outputs: http.outputs,
        ...(named === undefined
          ? {}
          : {
              identity: {
                path: named.path,
                ...(named.digest === undefined ? {} : { digest: named.digest }),
                ...(named.version === undefined ? {} : { version: named.version }),
              },
            }),
      });
    }
  }
}

/** Read at each start, so that a changed secret needs no other step; never kept in the configuration. */
export function apiKeyOf({ name, serving: { apiKeyFile } }: ServiceConfiguration): string | null {
  if (apiKeyFile === null) return null;
  try {
    return readFileSync(apiKeyFile, 'utf8').trim();
  } catch (error) {
    throw new ConfigurationError([`services.${name}.serving.apiKeyFile: ${(error as Error).message}`]);
  }
}

const identityLimitMs = 2_000;

/** Where the runtime of a service keeps its records and logs. */
export function servingDirectory(configuration: Configuration, service: string): string {
  return join(configuration.dataDir, 'serving', service);
}

export async function openRuntime(
  configuration: Configuration,
  service: ServiceConfiguration,
  engine: Engine,
  environment: Pick<Environment, 'path'>,
): Promise<ServingRuntime> {
  const { serving } = service;
  const identify = async (address: string): Promise<string | null> =>
    (await engine.identity(address, service.model, { timeoutMs: identityLimitMs })).digest;
  if (serving.runtime === 'external') {
    const { serves, wake } = serving;
    return externalRuntime({ service: service.name, model: service.model, engine, serves, mayWake: wake });
  }
  if (serving.runtime === 'vllm-adapters') {
    const { address, adapter, artifactsThere, maxAdapters } = serving;
    // Services that share a server share its records: what one of them declared is no stranger to the other.
    const directory = join(configuration.dataDir, 'adapters', encodeURIComponent(address));
    const artifacts = artifactsThere && { here: configuration.artifactDirectory, there: artifactsThere };
    const places = { directory, address, adapter, ...(artifacts ? { artifacts } : {}) };
    const apiKey = apiKeyOf(service);
    const secret = apiKey === null ? {} : { apiKey };
    return await openAdapterRuntime({ ...places, ...secret, model: service.model, maxAdapters });
  }
  const directory = servingDirectory(configuration, service.name);
  // Logs and ends of copies.
  const kept = service.legalHold === null ? {} : { keepEnded: Number.MAX_SAFE_INTEGER };
  if (serving.runtime === 'triton') {
    const { address, repository, subdirectory, loadLimitMs } = serving;
    const model = service.model;
    return await openTritonRuntime({
      address,
      model,
      repository,
      subdirectory,
      directory,
      loadLimitMs,
      listing,
      ...kept,
    });
  }
  if (serving.runtime === 'docker') {
    const { connection, template, reachedAt, publishAt, artifactsThere, startLimitMs } = serving;
    const artifacts = artifactsThere && { here: configuration.artifactDirectory, there: artifactsThere };
    const at = service.hosts[configuration.host] ?? LOOPBACK;
    const reached = at === LOOPBACK ? { reachedAt, publishAt } : { reachedAt: at, publishAt: at };
    const where = { connection, ...reached, ...(artifacts ? { artifacts } : {}) };
    const docker = await openDockerRuntime({
      ...where,
      directory,
      template,
      identify,
      startTimeoutMs: startLimitMs,
      ...kept,
    });
    return withReleases(docker, join(directory, 'released.json'));
  }
  const processes = await openProcessRuntime({
    ...kept,
    directory,
    host: service.hosts[configuration.host] ?? LOOPBACK,
    template: { command: serving.command, env: serving.env, cwd: serving.directory },
    // Nothing else is inherited: what a model sees of this machine is what its configuration says.
    environment: { PATH: [dirname(process.execPath), environment.path].filter((part) => part !== '').join(delimiter) },
    identify,
    startTimeoutMs: serving.startLimitMs,
    memoryLimitBytes: serving.memoryLimitBytes,
    // Their workers must not hear the signal that lets the server finish its requests.
    askedToEnd: serving.engine === 'vllm' || serving.engine === 'tgi' ? 'program' : 'group',
  });
  return withReleases(processes, join(directory, 'released.json'));
}
