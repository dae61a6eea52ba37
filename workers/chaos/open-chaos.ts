import { join } from 'node:path';
import { connect } from 'node:net';
import { z } from 'zod';
import type { Faults } from '../../activities/ports';
import { faultCatalogue } from '../../adapters/faults/catalogue';
import { chaosMesh } from '../../adapters/faults/kubernetes/chaos-mesh';
import { openKubernetes } from '../../adapters/faults/kubernetes/client';
import { litmus } from '../../adapters/faults/kubernetes/litmus';
import { containerCopies } from '../../adapters/faults/local/container-copies';
import { corruptArtifact } from '../../adapters/faults/local/corrupt-artifact';
import { fillDisk } from '../../adapters/faults/local/fill-disk';
import { freezeServing, type CopyPlace } from '../../adapters/faults/local/freeze-serving';
import { killPart, type PartControl, type PartProcess } from '../../adapters/faults/local/kill-part';
import { killServing } from '../../adapters/faults/local/kill-serving';
import { loadSurge } from '../../adapters/faults/local/load-surge';
import { processCopies } from '../../adapters/faults/local/process-copies';
import { registryFault } from '../../adapters/faults/local/registry-fault';
import { reloadHaproxy } from '../../adapters/faults/local/reload-router';
import type { CopyControl } from '../../adapters/faults/local/serving-copies';
import { processEnvironment } from '../../adapters/disk/proc';
import type { KillablePart } from '../../domain/chaos/experiment';
import type { Json } from '../../domain/ledger';
import { openAdapters, servingDirectory, type Adapters } from '../composition';
import { serviceNamed, type Configuration, type ServiceConfiguration } from '../configuration/configuration';
import { runPaths, type RunPaths } from '../embedded/paths';
import { Looks } from '../embedded/looks';
import { readJson } from '../files';
import { isOurs, nonceVariable, processRecordSchema } from '../process-identity';
import { distDirectory } from '../program';
import { readStartTime } from '../temporal/process-identity';
import { chaosProxySocket } from './proxy-socket';
import { Users, type Fate } from './users';

/** What one run needs of this machine. */
export interface Chaos {
  readonly faults: Faults;
  usersOf(service: string): Promise<{ startUsers: (perSecond: number) => Users }>;
  close(): Promise<void>;
}

const REQUEST_LIMIT_MS = 15_000;

/** The faults of this machine, and users of its services, by the configuration. */
export async function openChaos(configuration: Configuration): Promise<Chaos> {
  const paths = runPaths(configuration.dataDir);
  const adapters = await openAdapters(configuration, paths);
  const looks = new Looks(paths);
  const controls = new Map<string, Promise<CopyControl>>();
  const controlOf = (service: string): Promise<CopyControl> => {
    const made = controls.get(service) ?? openCopies(configuration, service);
    controls.set(service, made);
    return made;
  };
  const { router } = configuration;
  const faults = faultCatalogue(
    {
      'corrupt-artifact': corruptArtifact({ store: adapters.store, root: configuration.artifactDirectory }),
      'kill-serving': killServing(controlOf),
      'freeze-serving': freezeServing({
        controlOf,
        placeOf: (service) => placeOf(configuration, service),
        watchdog: join(distDirectory(), 'adapters', 'faults', 'local', 'thaw-watchdog.js'),
      }),
      'fill-disk': fillDisk({ data: configuration.dataDir, artifacts: configuration.artifactDirectory }),
      registry: registryFault((name) => chaosProxySocket(paths, name)),
      'load-surge': loadSurge({
        entranceOf: async (service) => (await entranceOf(adapters, service)).address,
        sendOneOf: async (service) => {
          const send = await sender(configuration, adapters, service);
          return async (entrance) => void (await send(entrance));
        },
      }),
      'chaos-mesh': chaosMesh((place) => openKubernetes(place)),
      litmus: litmus((place) => openKubernetes(place)),
      'kill-part': killPart(partControl(paths, looks)),
      ...(router.kind === 'haproxy' ? { 'reload-router': reloadHaproxy(router.masterSocket) } : {}),
    },
    { 'reload-router': 'the gateway routes, and it has no reload; kill-part gateway replaces its process' },
  );
  return {
    faults,
    async usersOf(service) {
      const send = await sender(configuration, adapters, service);
      const { address } = await entranceOf(adapters, service);
      return { startUsers: (perSecond) => new Users(() => send(address), perSecond) };
    },
    close: async () => {
      await Promise.all([adapters.close(), looks.close()]);
    },
  };
}

function known(configuration: Configuration, service: string): ServiceConfiguration {
  const found = serviceNamed(configuration, service);
  if (found !== undefined) return found;
  throw new Error(`service ${service} is not in ${configuration.file}`);
}

async function openCopies(configuration: Configuration, service: string): Promise<CopyControl> {
  const place = placeOf(configuration, service);
  if (place.how === 'container') return await containerCopies(place);
  const { runtime } = known(configuration, service).serving;
  if (runtime === 'process') return processCopies((name) => servingDirectory(configuration, name));
  throw new Error(`${service}: the runtime ${runtime} starts no process or container that is lastgood's own`);
}

function placeOf(configuration: Configuration, service: string): CopyPlace {
  const { serving } = known(configuration, service);
  if (serving.runtime !== 'docker') return { how: 'process' };
  return { how: 'container', connection: serving.connection, directory: servingDirectory(configuration, service) };
}

async function entranceOf(adapters: Adapters, service: string): Promise<{ address: string }> {
  const { address, clients } = await adapters.router.entrance(service);
  return { address: clients ?? address };
}

/** Sends what the golden probes of the live version send: a request that every version must be able to answer. */
async function sender(
  configuration: Configuration,
  adapters: Adapters,
  service: string,
): Promise<(entrance: string) => Promise<Fate>> {
  const { model } = known(configuration, service);
  const engine = adapters.engineOf(service);
  const { record } = await adapters.router.read(service);
  const bodies: Json[] =
    record === null ? [] : (await adapters.versions.probes(service, record.primary)).map(({ request }) => request);
  if (bodies.length === 0) throw new Error(`${service}: no golden probe says what a request looks like`);
  let next = 0;
  return async (entrance) => {
    const body = bodies[next++ % bodies.length] ?? null;
    try {
      const { status, headers } = await engine.infer(entrance, model, body, { timeoutMs: REQUEST_LIMIT_MS });
      return { status, version: headers['x-lastgood-version'] ?? null };
    } catch (fault) {
      // A whole answer that is none of the protocol is an answer that failed; everything else is none.
      return { status: (fault as Error).name === 'EngineAnswerRefused' ? 500 : null, version: null };
    }
  };
}

const childSchema = z.object({ process: processRecordSchema.nullable() });
const temporalSchema = z.object({
  nonce: z.string(),
  server: z.object({ address: z.string(), pid: z.int(), startTime: z.string() }).nullable(),
});

function partControl(paths: RunPaths, looks: Looks): PartControl {
  const temporal = async (): Promise<(PartProcess & { address: string }) | null> => {
    const { nonce, server } = (await readJson(paths.temporalRecord, temporalSchema)) ?? { nonce: '', server: null };
    if (server === null || (await readStartTime(server.pid)) !== server.startTime) return null;
    const environment = processEnvironment(server.pid);
    if (environment !== null && environment.get(nonceVariable) !== nonce) return null;
    return { pid: server.pid, startTime: server.startTime, address: server.address };
  };
  const find = async (part: KillablePart): Promise<PartProcess | null> => {
    if (part === 'temporal') return await temporal();
    const record = await readJson(paths.childRecord(part), childSchema);
    const found = record?.process ?? null;
    return found !== null && (await isOurs(found)) ? { pid: found.pid, startTime: found.startTime } : null;
  };
  return {
    find,
    async kill(part, { pid, startTime }) {
      const now = await find(part);
      if (now?.pid === pid && now.startTime === startTime) process.kill(pid, 'SIGKILL');
    },
    isRunning: async ({ pid, startTime }) => (await readStartTime(pid)) === startTime,
    async look(part) {
      const now = await find(part);
      if (now === null) return 'no process of it runs';
      switch (part) {
        case 'host':
          return await looks.host(now.pid);
        case 'controller':
          return await looks.controller(now.pid);
        case 'gateway':
          return await looks.gateway(now.pid);
        case 'temporal':
          return (await connects((await temporal())?.address ?? '')) ? null : 'its server takes no connection';
      }
    },
  };
}

function connects(address: string): Promise<boolean> {
  const [host = '', port = '0'] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: 2_000 });
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
