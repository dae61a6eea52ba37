import { join, resolve } from 'node:path';
import type { ServingRuntime } from '../../../activities/ports';
import { withFileLock } from '../../disk/file-lock';
import { ServingRefused } from '../errors';
import { followServer } from './events';
import { TritonRecords } from './records';
import { TritonServer } from './repository-api';
import { restoreDeclared } from './restoring';
import type { TritonSources } from './sources';
import { startCopy } from './starting';
import { copyState, foreignVersions } from './states';
import { stopCopy } from './stopping';

export interface TritonRuntimeOptions extends Pick<TritonSources, 'repository' | 'subdirectory' | 'listing'> {
  /** `http://host:port` of the server; somebody else starts it, with `--model-control-mode=explicit`. */
  readonly address: string;
  readonly model: string;
  /** Our records and logs. */
  readonly directory: string;
  /** For one load; default 10 minutes. */
  readonly loadLimitMs?: number;
  /** How often the server is looked at for events; default 500 ms. */
  readonly watchEveryMs?: number;
  /** Ended copies whose log is kept as evidence; default 20. */
  readonly keepEnded?: number;
  readonly now?: () => number;
}

/** Where the records of a service's copies are, below the directory of its runtime. */
export function tritonRecords(directory: string): TritonRecords {
  return new TritonRecords(join(resolve(directory), 'triton'));
}

/**
 * Serving runtime on one model of a running Triton: a copy is one version number of it, named by the path of a request; all
 * of them share the server's address. The server belongs to somebody else. Versions without a record here are reported and
 * never touched. Opening it asks the server nothing.
 */
export async function openTritonRuntime(options: TritonRuntimeOptions): Promise<ServingRuntime> {
  const { address, model, subdirectory, listing } = options;
  const server = new TritonServer(address, model);
  const records = tritonRecords(options.directory);
  await records.open();
  const repository = resolve(options.repository);
  const loadLimitMs = options.loadLimitMs ?? 600_000;
  const about = { server, records, repository, modelDirectory: join(repository, model), subdirectory, listing };
  const sources: TritonSources = { ...about, loadLimitMs, now: options.now ?? Date.now };
  const keepEnded = options.keepEnded ?? 20;
  // Whoever waits for the lock waits for the load of another version: Triton would make it wait as well.
  const locked = <T>(work: () => Promise<T>): Promise<T> => withFileLock(records.lock, loadLimitMs + 60_000, work);

  return {
    kind: 'triton',
    async start(request, signal, progress = () => undefined) {
      signal.throwIfAborted();
      if (request.port !== undefined && request.port !== portOf(address))
        throw new ServingRefused(`${request.instance}: Triton answers at ${address}, not at port ${request.port}`);
      return locked(async () => {
        const state = await startCopy(sources, request, signal, progress);
        await records.prune(keepEnded);
        return state;
      });
    },
    async inspect(service) {
      const [{ records: all, unreadable }, states] = await Promise.all([records.all(), server.versions()]);
      // The newest record of an instance speaks for it.
      const newest = new Map(all.filter((one) => one.service === service).map((one) => [one.instance, one]));
      const instances = await Promise.all([...newest.values()].map((one) => copyState(sources, one, states)));
      return { instances, foreign: [...unreadable, ...(await foreignVersions(sources, all, states))] };
    },
    stop: (instance, { graceMs }) => locked(() => stopCopy(sources, instance, graceMs)),
    async logs(instance, limitBytes) {
      const record = await records.of(instance);
      return record === null ? '' : records.log(record, limitBytes);
    },
    events(service, signal) {
      const restore = (): ReturnType<typeof restoreDeclared> => locked(() => restoreDeclared(sources));
      return followServer({ sources, service, signal, everyMs: options.watchEveryMs ?? 500, restore });
    },
  };
}

function portOf(address: string): number {
  const { port, protocol } = new URL(address);
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}
