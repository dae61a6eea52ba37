import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Connection } from '@temporalio/client';
import type { Environment } from '../environment';
import { ensureNamespace, hasNamespace, type NamespaceState, type SearchAttribute } from './namespace';
import { findFreePorts } from './ports';
import { readStartTime } from './process-identity';

export interface DevServerOptions {
  /** The program, from `findBinary('dev-server')`. */
  readonly binary: string;
  readonly environment: Environment;
  /** The database; without it everything is in memory and lost at the end. */
  readonly dbFile?: string;
  /** Output is appended there. */
  readonly logFile: string;
  /** Default `lastgood`. */
  readonly namespace?: string;
  /** Default 90. */
  readonly retentionDays?: number;
  readonly searchAttributes: readonly SearchAttribute[];
  /** The ports to take again after a restart, so that clients find it where it was; default free ones. */
  readonly ports?: { readonly grpc: number; readonly ui: number };
  /** `key=JSON`, beside what every dev server gets. */
  readonly dynamicConfig?: readonly string[];
  /** Default 60,000. */
  readonly startLimitMs?: number;
}

/** What must be remembered to find a running server again. */
export interface DevServerRecord {
  /** host:port of the gRPC interface. */
  readonly address: string;
  readonly uiUrl: string;
  readonly pid: number;
  /** From `readStartTime`: with the pid it names one process. */
  readonly startTime: string;
}

export interface DevServer extends DevServerRecord {
  readonly namespaceState: NamespaceState;
  /** Ends the process (SIGTERM, after 10 s SIGKILL) and returns when it is gone. Can be repeated. */
  stop(): Promise<void>;
}

/** The server did not start. The message holds its last words and the place of its log. */
export class DevServerError extends Error {
  override readonly name = 'DevServerError';
}

const host = '127.0.0.1';
const pollMs = 50;
const stopLimitMs = 10_000;
const portAttempts = 3;
const bannerLimitMs = 5_000;
/**
 * At the default of 20 a shard, a chain of more than about eight quick activities waits 45 ms at each hand-over; the
 * production server needs it too (deploy/compose).
 */
export const dynamicConfig = ['history.transferProcessorMaxPollRPS=1000'];

/**
 * Starts Temporal's dev server in a session of its own with a file instead of pipes, so that it outlives its parent,
 * and returns when its namespace answers with the retention and the search attributes asked for.
 * @throws DevServerError
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  for (let attempt = 1; ; attempt++) {
    const started = await startOnce(options);
    if (started.outcome === 'running') return started.server;
    // Another process took the port between our look and the server's start.
    const mayRetry = options.ports === undefined && attempt < portAttempts;
    if (!mayRetry || !/address already in use/i.test(started.lastWords)) {
      throw new DevServerError(
        `Temporal's dev server did not start: ${started.reason}: ${started.lastWords} (log: ${options.logFile})`,
      );
    }
  }
}

/**
 * Takes over a server that a former process started. Undefined when that very process no longer runs.
 * @throws DevServerError when it runs and does not answer
 */
export async function adoptDevServer(
  record: DevServerRecord,
  options: Pick<DevServerOptions, 'namespace' | 'retentionDays' | 'searchAttributes' | 'startLimitMs'>,
): Promise<DevServer | undefined> {
  if (!(await runs(record))) return undefined;
  const answer = await waitForNamespace(record.address, options, async () =>
    (await runs(record)) ? undefined : 'it ended',
  );
  if (answer.outcome === 'failed') {
    throw new DevServerError(`Temporal's dev server (pid ${record.pid}) at ${record.address}: ${answer.reason}`);
  }
  return { ...record, namespaceState: answer.state, stop: () => stopProcess(record) };
}

type Start =
  | { readonly outcome: 'running'; readonly server: DevServer }
  | { readonly outcome: 'failed'; readonly reason: string; readonly lastWords: string };

async function startOnce(options: DevServerOptions): Promise<Start> {
  const [grpc = 0, ui = 0] = options.ports ? [options.ports.grpc, options.ports.ui] : await findFreePorts(2);
  const logged = await sizeOf(options.logFile);
  const child = spawnServer(options, grpc, ui);
  let ended: string | undefined;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended ??= `it ended with ${String(code ?? signal)}`));
  const address = `${host}:${grpc}`;
  const pid = child.pid;
  const startTime = pid === undefined ? undefined : await readStartTime(pid);
  if (pid !== undefined && startTime !== undefined) {
    const record: DevServerRecord = { address, uiUrl: `http://${host}:${ui}`, pid, startTime };
    const answer = await waitForNamespace(address, options, () => Promise.resolve(ended));
    if (answer.outcome === 'answers' && (await isItsOwn(options.logFile, logged, () => ended !== undefined))) {
      const server = { ...record, namespaceState: answer.state, stop: () => stopProcess(record) };
      return { outcome: 'running', server };
    }
    await stopProcess(record);
    ended ??= answer.outcome === 'failed' ? answer.reason : undefined;
  }
  return { outcome: 'failed', reason: ended ?? 'it ended at once', lastWords: await lastWords(options.logFile) };
}

/**
 * A write-ahead log with a sync for each transaction: as durable as the server's default, a journal that is made, synced
 * and removed for each, in about half the time (`doctor` measures a chain of twelve activities).
 */
const walOptions = ['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=FULL'];

function spawnServer(options: DevServerOptions, grpcPort: number, uiPort: number): ChildProcess {
  mkdirSync(dirname(options.logFile), { recursive: true });
  if (options.dbFile !== undefined) mkdirSync(dirname(options.dbFile), { recursive: true });
  // prettier-ignore
  const args = [
    'server', 'start-dev', '--ip', host, '--port', String(grpcPort), '--ui-port', String(uiPort),
    '--ui-disable-news-fetch', '--log-format', 'json', '--log-level', 'warn',
    '--namespace', options.namespace ?? 'lastgood',
    ...(options.dbFile === undefined ? [] : ['--db-filename', options.dbFile, ...walOptions]),
    ...options.searchAttributes.flatMap(({ name, type }) => ['--search-attribute', `${name}=${type}`]),
    ...[...dynamicConfig, ...(options.dynamicConfig ?? [])].flatMap((pair) => ['--dynamic-config-value', pair]),
  ];
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    const child = spawn(options.binary, args, {
      env: options.environment.inherited,
      stdio: ['ignore', log, log],
      detached: true,
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/**
 * Whether the answer came from the process that we started: where another server has the port, ours is about to end
 * while the other one answers. Ours prints its banner when it listens; one without a banner must live on for a while.
 */
async function isItsOwn(logFile: string, offset: number, hasEnded: () => boolean): Promise<boolean> {
  const deadline = performance.now() + bannerLimitMs;
  while (performance.now() < deadline && !hasEnded()) {
    const log = await readFile(logFile);
    if (/^(Temporal )?Server: /m.test(log.subarray(offset).toString('utf8'))) return true;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return !hasEnded();
}

type Answer =
  | { readonly outcome: 'answers'; readonly state: NamespaceState }
  | { readonly outcome: 'failed'; readonly reason: string };

async function waitForNamespace(
  address: string,
  options: Pick<DevServerOptions, 'namespace' | 'retentionDays' | 'searchAttributes' | 'startLimitMs'>,
  ended: () => Promise<string | undefined>,
): Promise<Answer> {
  const { namespace = 'lastgood', retentionDays = 90, searchAttributes, startLimitMs = 60_000 } = options;
  const deadline = performance.now() + startLimitMs;
  const connection = Connection.lazy({ address, connectTimeout: 1_000 });
  let last = 'no answer';
  try {
    while (performance.now() < deadline) {
      const end = await ended();
      if (end !== undefined) return { outcome: 'failed', reason: end };
      try {
        const present = await connection.withDeadline(Date.now() + 2_000, () => hasNamespace(connection, namespace));
        if (present) {
          const state = await ensureNamespace(connection, { namespace, retentionDays, searchAttributes });
          return { outcome: 'answers', state };
        }
        last = `the namespace ${namespace} is not there`;
      } catch (error) {
        last = error instanceof Error ? error.message : String(error);
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    return { outcome: 'failed', reason: `not ready after ${startLimitMs / 1000} s: ${last}` };
  } finally {
    await connection.close();
  }
}

async function runs(record: DevServerRecord): Promise<boolean> {
  return (await readStartTime(record.pid)) === record.startTime;
}

async function stopProcess(record: DevServerRecord): Promise<void> {
  const deadline = performance.now() + stopLimitMs;
  await signal(record, 'SIGTERM');
  while (performance.now() < deadline) {
    if (!(await runs(record))) return;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  await signal(record, 'SIGKILL');
  while (await runs(record)) await new Promise((resolve) => setTimeout(resolve, pollMs));
}

/** The identity is read again immediately before: the pid may belong to a foreign process by now. */
async function signal(record: DevServerRecord, name: NodeJS.Signals): Promise<void> {
  if (!(await runs(record))) return;
  try {
    process.kill(record.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function sizeOf(file: string): Promise<number> {
  return await stat(file).then(
    (stats) => stats.size,
    () => 0,
  );
}

async function lastWords(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-3).join(' | ').slice(-600);
}
