import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import type { Configuration, ServiceConfiguration } from '../../workers/configuration/configuration';
import type { Environment } from '../../workers/environment';
import { identityWords } from '../../workflows/contract/identity';
import { checkCertificate } from './certificate';
import { checkAlertTargets } from './alert-targets';
import { checkRouters } from './routers';
import { checkStores } from './stores';
import { askDockerOf } from './docker';
import { askTritonOf } from './triton';
import { askEmbedder } from './embedder';
import { askExternal } from './external-parts';
import { askHaproxySocket } from './haproxy';
import { fine, messageOf, unmeasured, warning, wrong, type Finding } from './finding';
import { splitAddress, whyUnreachable } from './network';
import { askHardware } from './hardware';
import { askLedger } from './ledger';
import { askOutside } from './outside';
import { askRegistry } from './registry';

const timeoutMs = 3_000;

/** Asks what docs/operations.md lists under `validate`, once; changes nothing there. */
export async function askSources(configuration: Configuration, environment: Environment): Promise<Finding[]> {
  const { openToLook } = await import('../../workers/composition');
  const { runPaths } = await import('../../workers/embedded/paths');
  (await import('../../workers/identity')).readProofFiles(configuration);
  (await import('../../workers/webhooks/open-webhooks')).openWebhooks(configuration, environment);
  const adapters = await openToLook(configuration, runPaths(configuration.dataDir));
  try {
    const perService = await Promise.all(
      configuration.services.map(async (service) => [
        await askStore(service, adapters.store),
        ...(await askRegistry(service, { configuration, adapters })),
        ...(await askServing(service, adapters, environment)),
        ...(await askExternal(service, adapters.store)),
        ...(await Promise.all(service.dependencies.map((url) => askUrl(`${service.name}: dependency ${url}`, url)))),
        ...(await askHardware(service)),
        sampling(service),
        ...(await checkCertificate(service, Date.now())),
        ...(await askEmbedder(service)),
      ]),
    );
    return [
      await askTemporal(configuration, environment),
      ...(await askLedger(configuration, environment)),
      ...(await checkStores(configuration, environment)),
      ...perService.flat(),
      ...(await askOutside(configuration, Date.now())),
      ...(await checkAlertTargets(configuration, environment)),
      ...(await checkRouters(configuration)),
      ...(await askHaproxySocket(configuration)),
    ];
  } finally {
    await adapters.close();
  }
}

type Adapters = Awaited<ReturnType<(typeof import('../../workers/composition'))['openToLook']>>;

async function askTemporal({ temporal }: Configuration, environment: Environment): Promise<Finding> {
  const address = environment.temporalAddress ?? temporal.address;
  if (address === null) return fine('Temporal', 'none is configured: `lastgood up` starts its own dev server');
  const { host, port } = splitAddress(address);
  const why = await whyUnreachable(host, port, timeoutMs);
  return why === null
    ? fine('Temporal', `${address} accepts connections`)
    : wrong(
        'Temporal',
        `${address}: ${why}`,
        'start the server, or correct temporal.address or LASTGOOD_TEMPORAL_ADDRESS',
      );
}

async function askStore(service: ServiceConfiguration, store: Adapters['store']): Promise<Finding> {
  const what = `${service.name}: artifacts`;
  try {
    const versions = await store.list(service.name);
    if (versions.length === 0 && service.serving.runtime === 'external') return withoutArtifacts(what, service.serving);
    if (versions.length === 0) return warning(what, 'no version is imported', 'lastgood artifacts import DIRECTORY');
    const unfit = versions.filter(({ evaluation, probes }) => evaluation === null || probes === 0);
    const names = versions.map(({ version }) => version).join(', ');
    return unfit.length === versions.length
      ? warning(
          what,
          `${names}: none has an evaluation report and golden probes`,
          'nothing could be rolled back to; add them to the artifact and import a new version',
        )
      : fine(
          what,
          `${names}${unfit.length > 0 ? `; without report or probes: ${unfit.map(({ version }) => version).join(', ')}` : ''}`,
        );
  } catch (error) {
    return wrong(what, messageOf(error), 'see that artifacts.directory is there and belongs to this user');
  }
}

/** Nothing is missing: something else runs the versions; what could be rolled back to depends on their addresses. */
function withoutArtifacts(
  what: string,
  { serves }: Extract<ServiceConfiguration['serving'], { runtime: 'external' }>,
): Finding {
  if ('versions' in serves && Object.keys(serves.versions).length > 1)
    return warning(
      what,
      'none: a version at an address is a target only after a person vouched for it',
      'lastgood vouch SERVICE@VERSION --reason …',
    );
  return warning(
    what,
    'none, and one address: it is watched, and lastgood cannot roll back what something else runs there',
    'give each version an address in serving.versions, or import artifacts',
  );
}

async function askServing(
  service: ServiceConfiguration,
  adapters: Adapters,
  environment: Environment,
): Promise<Finding[]> {
  const { serving } = service;
  if (serving.runtime === 'process')
    return [askProgram(service, serving.command[0] ?? '', serving.directory, environment)];
  if (serving.runtime === 'docker') return await askDockerOf(service.name, serving, { images: true, engine: false });
  if (serving.runtime === 'vllm-adapters') return [await askBase(service, serving.address)];
  if (serving.runtime === 'triton') return await askTritonOf(service);
  const { instances } = await adapters.runtimeOf(service.name).inspect(service.name);
  return await Promise.all(
    instances.map(async ({ version, state, address, exit }) => {
      const what = `${service.name}@${version} at ${address ?? '?'}`;
      if (state !== 'running' || address === null)
        return wrong(what, exit?.logTail ?? state, 'start the server, or correct its address, engine or model');
      return await askIdentity(what, adapters.engineOf(service.name), address, service.model);
    }),
  );
}

/** The server that the adapters are loaded into. A look at the runtime would load what is missing: that is not for a check. */
async function askBase(service: ServiceConfiguration, address: string): Promise<Finding> {
  const what = `${service.name}: vLLM at ${address}`;
  try {
    const { adapterFacts } = await import('../../workers/adapter-facts');
    const { version, adapters } = await adapterFacts(service, address);
    const name = version === null ? 'answers, without saying its version' : `vLLM ${version}`;
    return fine(what, `${name}; adapters loaded: ${adapters.join(', ') || 'none'}`);
  } catch (error) {
    return wrong(
      what,
      messageOf(error),
      'start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, or correct serving.address',
    );
  }
}

type Engine = ReturnType<Adapters['engineOf']>;

/** Ready was asked before; this is who it says that it is, and by which means. */
export async function askIdentity(what: string, engine: Engine, address: string, model: string): Promise<Finding> {
  try {
    const { digest, version, means } = await engine.identity(address, model, { timeoutMs });
    const name = [version === null ? null : `version ${version}`, digest].filter((part) => part !== null).join(', ');
    if (name === '')
      return warning(
        what,
        'ready, but it says nothing of its version: a change behind the address could not be seen',
        'set serving.digestHeader or serving.versionHeader, or serving.probes: golden requests whose answers tell models apart',
      );
    return fine(what, `ready; ${name}. Known by ${identityWords(means)}`);
  } catch (error) {
    return warning(
      what,
      `ready, but who it is could not be asked: ${messageOf(error)}`,
      'see that engine and model are right',
    );
  }
}

function askProgram(
  service: ServiceConfiguration,
  program: string,
  directory: string,
  environment: Environment,
): Finding {
  const what = `${service.name}: command`;
  const places =
    isAbsolute(program) || program.includes('/')
      ? [resolve(directory, program)]
      : environment.path.split(delimiter).map((folder) => join(folder, program));
  const found = places.find((place) => isExecutable(place));
  return found === undefined
    ? wrong(
        what,
        `${program} is not an executable file${program.includes('/') ? '' : ' on PATH'}`,
        'correct serving.command',
      )
    : fine(what, found);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function askUrl(what: string, url: string): Promise<Finding> {
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'manual' });
    return status < 400
      ? fine(what, `answered ${status}`)
      : wrong(what, `answered ${status}`, 'correct the address, or repair the dependency');
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : messageOf(error);
    return wrong(what, cause, 'correct the address, or repair the dependency');
  }
}

function sampling({ name, samples, repeatable, semantic }: ServiceConfiguration): Finding {
  const what = `${name}: samples`;
  if (samples.share === 0)
    return unmeasured(
      what,
      `off: no shadow replay before a shift, no paired replay that tells the model from its environment, no look at the quality of the inputs${semantic === null ? '' : ', no comparison of answers'}`,
      'set services.NAME.samples.share, if inputs may be kept',
    );
  return fine(
    what,
    `${samples.share * 100} % of the inputs${repeatable ? '' : '; not repeatable, so none is replayed'}`,
  );
}
