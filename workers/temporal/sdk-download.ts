import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { version as sdkVersion } from '@temporalio/worker/package.json';
import type { Environment } from '../environment';
import { runCommand } from './command';
import { showProgress, type ProgressOutput } from './progress';
import type { Release } from './releases';
import type { Fetched } from './wheel';

const timeLimitMs = 10 * 60 * 1000;
const stallLimitMs = 20_000;

/** The name under which the SDK's download is kept in our cache. */
export function sdkProgramName(release: Release): string {
  return `${release.program}-sdk-typescript-${sdkVersion}`;
}

/**
 * The SDK can download a server only by starting it, and cannot be told to give up. So it does that in a process of
 * its own, which ends with the server that it started; what stays is the file.
 */
export async function fetchWithSdk(
  release: Release,
  workDir: string,
  environment: Environment,
  output: ProgressOutput,
): Promise<Fetched> {
  const progress = showProgress(`fetching ${release.title} with Temporal's SDK`, undefined, output);
  const args = ['-e', script, require.resolve('@temporalio/worker'), JSON.stringify(serverConfig(release, workDir))];
  const result = await runCommand(process.execPath, args, {
    env: environment.inherited,
    timeLimitMs,
    watchDir: workDir,
    stallLimitMs,
    onBytes: (bytes) => progress.update(bytes),
  });
  progress.finish();
  const file = (await readdir(workDir)).find(
    (name) => name.startsWith(release.program) && !name.endsWith('.downloading'),
  );
  // A server that came too late to answer the SDK (it waits 5 s) is downloaded all the same.
  if (file !== undefined) return { outcome: 'fetched', file: join(workDir, file) };
  return { outcome: 'failed', reason: result.outcome === 'failed' ? result.reason : 'it left no file' };
}

const script = `
const { Runtime } = require(process.argv[1]);
const runtime = Runtime.instance();
runtime.createEphemeralServer(JSON.parse(process.argv[2])).then(
  (server) => runtime.shutdownEphemeralServer(server),
  (error) => { console.error(String(error.message).split(': ').at(-1)); process.exitCode = 1; },
);
`;

function serverConfig(release: Release, downloadDir: string): object {
  const exe = {
    type: 'cached-download',
    downloadDir,
    version: 'default',
    ttl: 24 * 60 * 60 * 1000,
    sdkName: 'sdk-typescript',
    sdkVersion,
  };
  switch (release.kind) {
    case 'test-server':
      return { type: 'time-skipping', exe, port: null, extraArgs: [] };
    case 'dev-server': {
      const log = { format: 'pretty', level: 'error' };
      const where = { ip: '127.0.0.1', port: null, ui: false, uiPort: null, namespace: 'default', dbFilename: null };
      return { type: 'dev-server', exe, ...where, log, extraArgs: [] };
    }
  }
}
