import type { Logger } from 'pino';
import type { Configuration } from './configuration/configuration';
import type { RunPaths } from './embedded/paths';
import type { Environment } from './environment';
import type { TemporalAddress } from './temporal-connection';

/** What every worker process is made from. */
export interface ProcessOptions {
  readonly configuration: Configuration;
  readonly environment: Environment;
  readonly paths: RunPaths;
  readonly temporal: TemporalAddress;
  readonly log: Logger;
  /** Of a controller beside the first one; null: the first. */
  readonly name: string | null;
  /** Aborted at SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** Resolves after `ms`, or at once when the process is to end. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

/** Repeats until it succeeds or the process is to end; says why at each failure. */
export async function untilDone<T>(
  what: string,
  work: () => Promise<T>,
  options: { readonly log: Logger; readonly signal: AbortSignal; readonly pauseMs?: number },
): Promise<T | null> {
  for (let attempt = 1; !options.signal.aborted; attempt++) {
    try {
      return await work();
    } catch (error) {
      options.log.warn({ err: error, attempt }, `${what}: not yet`);
      await pause(options.pauseMs ?? Math.min(5_000, 250 * attempt), options.signal);
    }
  }
  return null;
}
