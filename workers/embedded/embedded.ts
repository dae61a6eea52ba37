import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import { openAlerts } from '../alerts';
import type { Configuration } from '../configuration/configuration';
import { gatewayConfigOf } from '../configuration/gateway-file';
import { loadConfiguration } from '../configuration/load';
import { claimDataDirectory } from '../data-directory';
import { readEnvironment, type Environment } from '../environment';
import { makePrivateDirectory, readJson, writeJson } from '../files';
import { isHeld } from '../legal-hold';
import { openLog } from '../logging';
import { codeDigest, distDirectory } from '../program';
import { releaseFacts } from '../release';
import type { ProgressOutput } from '../temporal/progress';
import { Child } from './child';
import { holdDataDirectory } from './lock';
import { Looks, readToken } from './looks';
import type { Part } from './part';
import { runPaths, type RunPaths } from './paths';
import { ServingPart } from './serving-part';
import { Supervisor } from './supervisor';
import { TemporalPart } from './temporal-part';
import { Watchdog } from './watchdog';

export interface EmbeddedOptions {
  readonly configFile: string;
  readonly policyFile?: string;
  /** Default: that of this process. */
  readonly environment?: Environment;
  /** Where the progress of a download is shown; default standard error. */
  readonly output?: ProgressOutput;
  /** Aborted: the start is given up, and what has come up is ended. */
  readonly signal?: AbortSignal;
  /** What happens meanwhile, for people: one line each. */
  readonly onProgress?: (line: string) => void;
}

/** Everything of one data directory, running. */
export interface Embedded {
  readonly configuration: Configuration;
  /** `http://127.0.0.1:PORT` of the controller's API. */
  readonly apiAddress: string;
  /** The API's Unix socket: no token needed. */
  readonly apiSocket: string;
  readonly apiToken: string;
  /** host:port of Temporal's gRPC interface. */
  readonly temporalAddress: string;
  /** Null where the server is not ours. */
  readonly temporalUi: string | null;
  readonly logDir: string;
  readonly alertJournal: string;
  /** `http://127.0.0.1:PORT` at which clients reach the service. */
  entrance(service: string): string;
  /** Milliseconds since the epoch since when nobody decides; null while somebody does. */
  blindSince(): number | null;
  /** Ends everything in order; `keepServing` leaves the serving processes. Idempotent. */
  stop(options?: { readonly keepServing?: boolean }): Promise<void>;
  /** Lets go of everything without ending it, as a death of this process would. */
  release(): Promise<void>;
}

const reportSchema = z.object({ addresses: z.record(z.string(), z.string()) });
const controllerReportSchema = z.object({ api: z.string() });

/**
 * Starts Temporal's dev server (unless one is given), gateway, host worker and controller, or adopts those that a former
 * supervisor left, and keeps them running. It decides nothing.
 * @throws ConfigurationError, DataDirectoryHeld, TemporalUnavailableError, PartFailed: each message is for the user
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const environment = options.environment ?? readEnvironment();
  const configuration = loadConfiguration(options.configFile, {
    embedded: true,
    ...(options.policyFile === undefined ? {} : { policyFile: options.policyFile }),
  });
  const paths = runPaths(configuration.dataDir);
  for (const directory of [configuration.dataDir, paths.runDir, paths.logDir, paths.socketDir]) {
    makePrivateDirectory(directory);
  }
  const lock = await holdDataDirectory(configuration.dataDir, paths.lockFile);
  try {
    await claimDataDirectory(configuration.dataDir);
    const log = openLog('up', paths.log('up'), isHeld(configuration));
    // Before anything runs: a webhook without its secret would be found out at the first alert.
    const alerts = openAlerts(configuration, paths, environment, {
      terminal: false,
      process: 'up',
      onOutcome: (sink, why) => why !== null && log.warn({ sink, why }, 'an alert was not delivered'),
    });
    const looks = new Looks(paths);
    const keep = { serving: false };
    const { parts, temporal, controller } = makeParts({ options, configuration, environment, paths, log, looks, keep });
    const supervisor = new Supervisor(parts, log, { onUp: (part, how) => options.onProgress?.(`${part}: ${how}`) });
    const giveUp = (): void => supervisor.giveUp();
    options.signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await supervisor.start();
    } catch (error) {
      // What could not come up whole is no installation to leave behind.
      await supervisor.stop();
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', giveUp);
    }
    const ending = new AbortController();
    const watchdog = new Watchdog({
      services: configuration.services.map(({ name }) => name),
      alerts,
      log,
      look: () => looks.controller(controller.pid),
      record: (gap) => looks.post('/v1/blind', gap),
    });
    const watching = watchdog.run(ending.signal);
    const entrances = await entrancesOf(configuration, paths);
    const report = await readJson(paths.controllerReport, controllerReportSchema);
    let over: Promise<void> | null = null;
    const finish = (end: () => Promise<void>): Promise<void> => {
      over ??= (async () => {
        ending.abort();
        try {
          await end();
        } finally {
          await watching;
          await looks.close();
          await lock.release();
        }
      })();
      return over;
    };
    return {
      configuration,
      apiAddress: report?.api ?? '',
      apiSocket: paths.apiSocket,
      apiToken: await readToken(configuration.api.tokenFile),
      temporalAddress: temporal.address,
      temporalUi: temporal.uiUrl === '' ? null : temporal.uiUrl,
      logDir: paths.logDir,
      alertJournal: paths.alertJournal,
      entrance: (service) => {
        const address = entrances[service];
        if (address === undefined) throw new Error(`the router has no entrance for ${service}`);
        return address.startsWith('http') ? address : `http://${address}`;
      },
      blindSince: () => watchdog.blindSince,
      stop: ({ keepServing = false } = {}) => {
        keep.serving = keepServing;
        return finish(() => supervisor.stop());
      },
      release: () => finish(() => supervisor.release()),
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Where clients reach each service. */
async function entrancesOf(configuration: Configuration, paths: RunPaths): Promise<Record<string, string>> {
  const { router, services } = configuration;
  if (router.kind === 'gateway') return (await readJson(paths.gatewayReport, reportSchema))?.addresses ?? {};
  return Object.fromEntries(services.map(({ name, listen }) => [name, `http://${listen.host}:${listen.port}`]));
}

interface PartSources {
  readonly options: EmbeddedOptions;
  readonly configuration: Configuration;
  readonly environment: Environment;
  readonly paths: RunPaths;
  readonly log: Logger;
  readonly looks: Looks;
  readonly keep: { serving: boolean };
}

interface TemporalPlace {
  readonly address: string;
  readonly uiUrl: string;
}

function makeParts(sources: PartSources): { parts: Part[]; temporal: TemporalPlace; controller: Child } {
  const { options, configuration, environment, paths, looks } = sources;
  const given = environment.temporalAddress ?? configuration.temporal.address;
  const { namespace } = configuration.temporal;
  const server =
    given === null
      ? new TemporalPart({ environment, paths, namespace, output: options.output ?? process.stderr })
      : null;
  const release = releaseFacts();
  const temporal: TemporalPlace = server ?? { address: given ?? '', uiUrl: '' };
  const gateway = gatewayPart(sources);
  const worker = (role: 'controller' | 'host', look: (pid: number) => Promise<string | null>): Child =>
    new Child({
      ...childBasics(sources, role),
      // The address is known only when the server runs, and a worker of another one must be replaced.
      args: () => [
        `${distDirectory()}/workers/main.js`,
        role,
        '--config',
        configuration.file,
        ...(options.policyFile === undefined ? [] : ['--policy', options.policyFile]),
        '--temporal',
        temporal.address,
        '--embedded',
      ],
      fingerprint: () => digest([release, configuration, temporal.address]),
      readyWithinMs: 60_000,
      graceMs: 15_000,
      look,
    });
  const host = worker('host', (pid) => looks.host(pid));
  const controller = worker('controller', (pid) => looks.controller(pid));
  const parts = [...(server === null ? [] : [server]), new ServingPart(sources), gateway, host, controller];
  return { parts, temporal, controller };
}

function childBasics({ environment, paths }: PartSources, name: string) {
  return {
    name,
    program: process.execPath,
    env: environment.inherited,
    outputFile: paths.log(`${name}-output`),
    recordFile: paths.childRecord(name),
  };
}

function gatewayPart(sources: PartSources): Child {
  const { configuration, paths, looks } = sources;
  const wanted = gatewayConfigOf(configuration, paths);
  return new Child({
    ...childBasics(sources, 'gateway'),
    args: () => [`${distDirectory()}/gateway/main.js`, '--config', paths.gatewayConfig],
    // Its clients feel a replacement: one of the same code goes on, whatever else is new in a release.
    fingerprint: () => digest([codeDigest(['gateway', 'domain']), wanted]),
    prepare: async () => {
      const former = (await readJson(paths.gatewayReport, reportSchema))?.addresses ?? {};
      // A gateway that is started again must be where its clients look for it, also where any port was asked for.
      const services = wanted.services.map((service) => {
        const port = service.listen.port || portOf(former[service.name]);
        return { ...service, listen: { ...service.listen, port } };
      });
      await writeJson(paths.gatewayConfig, { ...wanted, services });
    },
    readyWithinMs: 30_000,
    graceMs: 15_000,
    look: (pid) => looks.gateway(pid),
  });
}

function portOf(address: string | undefined): number {
  return Number(/:(\d+)\/?$/.exec(address ?? '')?.[1] ?? 0);
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
