import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMissing, readTextIfThere, writeFileAtomic } from '../../disk/atomic-file';
import { configText } from './config-text';
import { HaproxyError } from './errors';
import type { HaproxyRouterOptions } from './options';
import { checkedDirectory, configFile, mapFile } from './layout';
import { makeSessionsFile } from './kept-sessions';
import { openMasterCli } from './master-cli';
import { viewOf } from './running';
import { certificateFile, certificateText } from './wire';
import { readStoredRoute } from './stored-route';

/** What was found of one HAProxy; null: could not be asked, `unreachable` says why. */
export interface HaproxyInspection {
  readonly configuration:
    | { readonly file: string; readonly state: 'as expected' }
    | { readonly file: string; readonly state: 'missing' }
    | { readonly file: string; readonly state: 'unreadable'; readonly why: string }
    | {
        readonly file: string;
        readonly state: 'different';
        /** From 1. */
        readonly line: number;
        readonly found: string;
        readonly expected: string;
      };
  /** Where routes are written; others who may write there move users. */
  readonly directory: { readonly path: string; readonly openToOthers: boolean };
  readonly running: {
    readonly version: string;
    /** Old workers that a reload has left behind. */
    readonly left: number;
  } | null;
  readonly unreachable: string | null;
  /** One sentence for each service whose route is not what was written down last. */
  readonly routes: readonly { readonly service: string; readonly problem: string | null }[];
}

/** Reads and asks; changes nothing. */
export async function inspectHaproxy(options: HaproxyRouterOptions): Promise<HaproxyInspection> {
  const directory = checkedDirectory(options.directory);
  const seen = await askRunning(options);
  return {
    configuration: await compareConfiguration(options),
    directory: { path: directory, openToOthers: await isOpenToOthers(directory) },
    ...seen,
  };
}

/** Writes the configuration, certificates with their keys, and an empty route where there is none: HAProxy does not start without its maps. */
export async function writeHaproxyFiles(options: HaproxyRouterOptions): Promise<{ file: string; changed: boolean }> {
  const directory = checkedDirectory(options.directory);
  await mkdir(directory, { recursive: true, mode: 0o750 });
  const file = configFile(directory);
  const wanted = configText(options);
  const changed = (await readTextIfThere(file, limitBytes)) !== wanted;
  if (changed) await writeFileAtomic(file, wanted, 0o640);
  let renewed = false;
  for (const service of options.services) {
    const text = await certificateText(service);
    const pem = certificateFile(directory, service.name);
    if (text === null || (await readTextIfThere(pem, limitBytes)) === text) continue;
    await writeFileAtomic(pem, text, 0o640);
    renewed = true;
  }
  for (const service of options.services) {
    const map = mapFile(directory, service.name);
    if ((await readTextIfThere(map, limitBytes)) === null) await writeFileAtomic(map, '', 0o640);
    await makeSessionsFile(directory, service);
  }
  return { file, changed: changed || renewed };
}

const limitBytes = 8 * 1024 * 1024;

async function compareConfiguration(options: HaproxyRouterOptions): Promise<HaproxyInspection['configuration']> {
  const file = configFile(options.directory);
  let found: string | null;
  try {
    found = await readTextIfThere(file, limitBytes);
  } catch (fault) {
    return { file, state: 'unreadable', why: messageOf(fault) };
  }
  if (found === null) return { file, state: 'missing' };
  const [is, should] = [found.split('\n'), configText(options).split('\n')];
  const at = Array.from({ length: Math.max(is.length, should.length) }).findIndex((_, n) => is[n] !== should[n]);
  if (at < 0) return { file, state: 'as expected' };
  return { file, state: 'different', line: at + 1, found: is[at] ?? '', expected: should[at] ?? '' };
}

async function isOpenToOthers(directory: string): Promise<boolean> {
  try {
    const places = await Promise.all([directory, dirname(directory)].map((path) => stat(path)));
    // A directory with the sticky bit lets others write, but not replace what is ours.
    return places.some(({ mode }, index) => (mode & 0o002) !== 0 && (index === 0 || (mode & 0o1000) === 0));
  } catch (fault) {
    if (isMissing(fault)) return false;
    throw fault;
  }
}

async function askRunning(
  options: HaproxyRouterOptions,
): Promise<Pick<HaproxyInspection, 'running' | 'unreachable' | 'routes'>> {
  try {
    const cli = await openMasterCli(options.masterSocket, options.deadlineMs ?? 2_000);
    try {
      const workers = await cli.workers();
      const worker = workers[0]?.pid ?? 0;
      const info = await cli.ask(worker, 'show info');
      const version = /^Version: (\S+)/m.exec(info)?.[1] ?? 'unknown';
      const routes: { service: string; problem: string | null }[] = [];
      for (const { name } of options.services) {
        const problem = await routeProblem(options.directory, name, () =>
          viewOf(cli, worker, mapFile(options.directory, name)),
        );
        routes.push({ service: name, problem });
      }
      return { running: { version, left: workers.length - 1 }, unreachable: null, routes };
    } finally {
      cli.close();
    }
  } catch (fault) {
    return { running: null, unreachable: messageOf(fault), routes: [] };
  }
}

async function routeProblem(
  directory: string,
  service: string,
  look: () => Promise<{ epoch: number; digest: string | null }>,
): Promise<string | null> {
  try {
    const { intended } = await readStoredRoute(directory, service);
    const { epoch, digest } = await look();
    if (intended === null) return digest === null ? null : `has epoch ${epoch}, and nothing is written down here`;
    if (digest === intended.digest) return null;
    return `has epoch ${epoch}; epoch ${intended.record.epoch} was written down last`;
  } catch (fault) {
    if (fault instanceof HaproxyError) return fault.message;
    throw fault;
  }
}

function messageOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
