import type { Adapters, Parts } from '../../workers/registry-sync';
import type { Configuration } from '../../workers/configuration/configuration';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';
import { serviceFor, serviceNames } from '../names';
import { sizeText } from '../render/artifacts';
import { renderPulled, renderSync } from '../render/registry';
import { standings } from './standings';
import { loadWhole } from './whole-configuration';

const progressEveryMs = 5_000;

export interface PullInput {
  readonly service?: string;
  /** `v12`, `12`, `@alias`. */
  readonly version?: string;
  readonly newest?: string;
}

/** Brings versions of the registry into the store because somebody asks for them. */
export async function pullArtifacts(context: Context, typed: PullInput): Promise<number> {
  const input = await withNames(context, typed);
  const wanted = readWanted(input);
  return await withRegistry(context, input.service, 'pull', async (parts, service, signal) => {
    const { pullFromRegistry } = await import('../../workers/registry-sync');
    const progress = progressOf(context);
    const pulled = await pullFromRegistry(parts, service, { signal, wanted, ...(progress ? { progress } : {}) });
    if (context.json) printJson(context.terminal, { service, pulled });
    else printLines(context.terminal, renderPulled(service, pulled));
    return exitCodes.ok;
  });
}

export interface SyncInput {
  readonly service?: string;
  readonly dryRun: boolean;
}

/** One look at the registry, as the controller takes it by itself. */
export async function syncArtifacts(context: Context, { service: named, dryRun }: SyncInput): Promise<number> {
  return await withRegistry(context, named, 'sync', async (parts, service, signal) => {
    const { lookAtRegistry } = await import('../../workers/registry-sync');
    const report = await lookAtRegistry(parts, service, {
      signal,
      dryRun,
      standings: (await standings(context, [service]))?.get(service) ?? null,
    });
    if (context.json) printJson(context.terminal, { service, dryRun, ...report });
    else printLines(context.terminal, renderSync(service, report, dryRun));
    return report.interrupted === null ? exitCodes.ok : exitCodes.unreachable;
  });
}

/** `pull v12` and `pull @champion`, where there is one service. */
async function withNames(context: Context, input: PullInput): Promise<PullInput> {
  const { service, version, ...rest } = input;
  if (service === undefined || version !== undefined || (await serviceNames(context)).includes(service)) return input;
  return { ...rest, version: service };
}

function readWanted({ version, newest }: PullInput): string | { readonly newest: number } {
  if (version !== undefined && newest !== undefined)
    throw badUse(`found both the version ${version} and --newest, expected one of them`);
  if (version !== undefined) return version;
  const count = Number(newest ?? 1);
  if (Number.isSafeInteger(count) && count >= 1 && count <= 50) return { newest: count };
  throw badUse(`--newest: found "${newest ?? ''}", expected a whole number from 1 to 50`);
}

/** Opens what is needed, ends it cleanly at SIGINT, and tells a registry's refusals as answers for people. */
async function withRegistry(
  context: Context,
  named: string | undefined,
  verb: string,
  work: (parts: Parts, service: string, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const configuration = await loadWhole(context);
  const service =
    registered(configuration, named) ??
    (await serviceFor(context, named, (name) => `lastgood artifacts ${verb} ${name}`));
  const adapters = await open(configuration);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, stop);
  try {
    return await work({ configuration, adapters }, service, stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted)
      throw new CliFailure(
        exitCodes.refused,
        'ended before it was whole; nothing was kept of the version that was on its way',
        `lastgood artifacts ${verb} ${service}`,
        { cause: error },
      );
    throw answerOf(error);
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, stop);
    await adapters.close();
  }
}

async function open(configuration: Configuration): Promise<Adapters> {
  const { openAdapters } = await import('../../workers/composition');
  const { runPaths } = await import('../../workers/embedded/paths');
  return await openAdapters(configuration, runPaths(configuration.dataDir));
}

/** The only service that has a registry, where none is named. */
function registered({ services }: Configuration, named: string | undefined): string | undefined {
  if (named !== undefined) return named;
  const [only, other] = services.filter(({ registry }) => registry !== null);
  return other === undefined ? only?.name : undefined;
}

function answerOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === 'RegistryUnreachable')
    return new CliFailure(
      exitCodes.unreachable,
      error.message,
      'see that it runs and is reached from here; what is in the store stays there',
      { cause: error },
    );
  if (/^(Registry\w+|ArtifactRefused|ConfigurationError)$/.test(error.name))
    return new CliFailure(
      exitCodes.refused,
      error.message,
      'correct what it names and run the command again; nothing was changed',
      { cause: error },
    );
  if (error.name === 'LockTimedOut')
    return new CliFailure(
      exitCodes.refused,
      `somebody else fetches versions of this service now: ${error.message}`,
      'wait for it, and look with: lastgood artifacts list',
      { cause: error },
    );
  return error;
}

/** Lines on standard error, not too often; none for programs. */
function progressOf({ json, terminal }: Context) {
  if (json) return undefined;
  let nextMs = terminal.now() + progressEveryMs;
  return (version: string) =>
    ({ files, of, bytes }: { readonly files: number; readonly of: number; readonly bytes: number }): void => {
      if (terminal.now() < nextMs) return;
      nextMs = terminal.now() + progressEveryMs;
      terminal.err(`${version}: ${files} of ${of} files, ${sizeText(bytes)}`);
    };
}
