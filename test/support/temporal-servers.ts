import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { readEnvironment } from '../../workers/environment';
import { requireBinary } from '../../workers/temporal/binary';
import { startDevServer as start, type DevServer } from '../../workers/temporal/dev-server';
import type { SearchAttribute } from '../../workers/temporal/namespace';

/** A dev server of a test, with the environment of the SDK connected to it. */
export interface TestDevServer extends DevServer {
  readonly namespace: string;
  readonly env: TestWorkflowEnvironment;
  readonly logFile: string;
}

export interface TestDevServerOptions {
  readonly searchAttributes?: readonly SearchAttribute[];
  /** Keeps the state in a file, so that a test can kill the server and start it again. */
  readonly dbFile?: string;
  readonly ports?: { readonly grpc: number; readonly ui: number };
}

/** The default of a second is what every shorter timer of a workflow is late by. */
const quickTimers = 'history.timerProcessorMaxTimeShift="10ms"';

/**
 * Starts a dev server: in memory unless `dbFile` is given, namespace `lastgood`. A test file starts one in `beforeAll`
 * (allow 60 s) and ends it in `afterAll` with `stop()`, which also closes `env`.
 */
export async function startDevServer(options: TestDevServerOptions = {}): Promise<TestDevServer> {
  const environment = readEnvironment();
  const namespace = 'lastgood';
  const dir = mkdtempSync(join(tmpdir(), 'lastgood-temporal-'));
  const logFile = join(dir, 'temporal.log');
  const server = await start({
    binary: await requireBinary('dev-server', { environment }),
    environment,
    logFile,
    namespace,
    searchAttributes: options.searchAttributes ?? [],
    dynamicConfig: [quickTimers],
    ...(options.dbFile === undefined ? {} : { dbFile: options.dbFile }),
    ...(options.ports === undefined ? {} : { ports: options.ports }),
  });
  try {
    const env = await TestWorkflowEnvironment.createFromExistingServer({ address: server.address, namespace });
    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await env.teardown();
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    };
    return { ...server, namespace, env, logFile, stop: () => (stopped ??= stop()) };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Starts a time-skipping server; `teardown()` ends it. One for each test file: skipped time is the server's. */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const path = await requireBinary('test-server', { environment: readEnvironment() });
  return await TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } });
}
