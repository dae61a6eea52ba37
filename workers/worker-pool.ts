import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Environment } from './environment';
import { failpoints } from './failpoints';
import { untilDone } from './process-options';
import type { TemporalAddress } from './temporal-connection';

export interface WorkerPlan extends Omit<WorkerOptions, 'connection' | 'namespace'> {
  readonly taskQueue: string;
}

/** The SDK's own lines into our log; its signal handlers away, because the process stops its parts in order. */
export function installRuntime(log: Logger): void {
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;
  type Level = keyof typeof levels;
  const write = (level: Level, message: string, meta?: Record<string | symbol, unknown>): void =>
    log[levels[level]]({ ...meta }, message);
  Runtime.install({
    shutdownSignals: [],
    logger: {
      log: (level, message, meta) => write(level as Level, message, meta),
      trace: (message, meta) => write('TRACE', message, meta),
      debug: (message, meta) => write('DEBUG', message, meta),
      info: (message, meta) => write('INFO', message, meta),
      warn: (message, meta) => write('WARN', message, meta),
      error: (message, meta) => write('ERROR', message, meta),
    },
  });
}

/**
 * Runs one worker for each plan until the signal, and again when one fails (a server that was away for long): traffic
 * does not depend on it, and nobody else would start it.
 */
export async function runWorkers(
  plans: readonly WorkerPlan[],
  options: {
    readonly temporal: TemporalAddress;
    readonly log: Logger;
    readonly signal: AbortSignal;
    readonly environment?: Pick<Environment, 'failpoints'>;
  },
  onRunning: (running: boolean) => void,
): Promise<void> {
  const { temporal, log, signal } = options;
  const directory = options.environment?.failpoints;
  const interceptors = directory === undefined ? {} : { interceptors: { activity: [failpoints(directory)] } };
  while (!signal.aborted) {
    const connection = await untilDone('connection to Temporal', () => connect(temporal), options);
    if (connection === null) return;
    try {
      const workers = await createAll(
        plans.map((plan) => ({ ...plan, ...interceptors })),
        connection,
        temporal,
      );
      const shutDown = (): void => workers.forEach(stop);
      signal.addEventListener('abort', shutDown);
      onRunning(true);
      try {
        // One that fails takes the others along: half a process would look alive and not be.
        await Promise.all(workers.map((worker) => worker.run().finally(shutDown)));
      } finally {
        signal.removeEventListener('abort', shutDown);
        onRunning(false);
      }
    } catch (error) {
      log.error({ err: error }, 'a worker failed, all are started again');
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    } finally {
      await connection.close().catch((error: unknown) => log.warn({ err: error }, 'the connection did not close'));
    }
  }
}

async function createAll(
  plans: readonly WorkerPlan[],
  connection: NativeConnection,
  { namespace, dataConverter }: TemporalAddress,
): Promise<Worker[]> {
  const workers: Worker[] = [];
  try {
    for (const plan of plans) workers.push(await Worker.create({ ...plan, connection, namespace, dataConverter }));
    return workers;
  } catch (error) {
    // One that was created and never ran would hold the connection for ever.
    await Promise.all(
      workers.map(async (worker) => {
        const ran = worker.run();
        worker.shutdown();
        await ran;
      }),
    );
    throw error;
  }
}

function connect({ address, tls }: TemporalAddress): Promise<NativeConnection> {
  return NativeConnection.connect({ address, tls });
}

function stop(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}
