import { join } from 'node:path';
import type { InstanceState, ServingRuntime, StartRequest } from '../../../activities/ports';
import { withFileLock } from '../../disk/file-lock';
import { digestInPath } from '../content-path';
import { EngineAnswerRefused, ServingError, ServingRefused } from '../errors';
import { pathThere, type SharedDirectory } from '../path-there';
import { AdapterRecords, type AdapterRecord } from './records';
import { AdapterServer, isGone, type LoadedAdapter } from './server';

export interface AdapterRuntimeOptions {
  /** Records of what shall be loaded at this server, of all services that share it. */
  readonly directory: string;
  /** The running vLLM with the base model. */
  readonly address: string;
  /** The name that clients use; the gateway replaces it by the adapter's. */
  readonly model: string;
  /** Where in an artifact the adapter is; default: the artifact itself. */
  readonly adapter?: string;
  /** Directory of the artifacts here and on the server's machine; default: the same path. */
  readonly artifacts?: SharedDirectory;
  /** Adapters that the server may have, whoever loaded them; null: no limit of ours. */
  readonly maxAdapters: number | null;
  readonly apiKey?: string;
  readonly now?: () => number;
}

const LOCK_WAIT_MS = 120_000;
const MODEL_CHARS = 100;

/**
 * Versions as LoRA adapters of one running vLLM: nothing is started but adapters are loaded, each version under a name of
 * its own and never in place, because a replaced adapter changes the answers that are being written. All have the server's
 * address; `selector` tells them apart. The server forgets its adapters at a restart, so every look loads again what is
 * declared and missing. An adapter that nobody here declared is reported and never touched.
 */
export async function openAdapterRuntime(options: AdapterRuntimeOptions): Promise<ServingRuntime> {
  const { address, model } = options;
  const server = new AdapterServer(address, options.apiKey);
  const records = new AdapterRecords(options.directory);
  await records.open();
  const now = options.now ?? Date.now;

  function stateOf(record: AdapterRecord, found: LoadedAdapter): InstanceState {
    const { instance, version, adapter, startedAt } = record;
    return {
      instance,
      version,
      state: 'running',
      address,
      digest: (found.path === null ? null : digestInPath(found.path)) ?? record.digest,
      selector: { by: 'model', public: model, name: adapter },
      startedAt,
      exit: null,
      memoryBytes: null,
    };
  }

  function endedState({ instance, version, startedAt }: AdapterRecord, code: string, why: string): InstanceState {
    const exit = { at: now(), code, logTail: why };
    const base = { instance, version, startedAt, address: null, digest: null, memoryBytes: null };
    return { ...base, state: 'exited', exit };
  }

  /** Under the adapter's lock: loaded from this path, whether it was before or not. */
  async function ensureLoaded({ adapter, path }: AdapterRecord): Promise<LoadedAdapter> {
    const before = await server.adapters();
    const known = before.find(({ name }) => name === adapter);
    if (known !== undefined) return sameOrRefuse(known, path);
    refuseBeyondLimit(before);
    await server.load(adapter, path);
    const found = (await server.adapters()).find(({ name }) => name === adapter);
    if (found === undefined)
      throw new EngineAnswerRefused(`${address} loaded the adapter ${adapter} and does not offer it`);
    return sameOrRefuse(found, path);
  }

  function sameOrRefuse(found: LoadedAdapter, path: string): LoadedAdapter {
    if (found.path === null || found.path === path) return found;
    throw new ServingRefused(
      `${address} has ${found.name} from ${found.path}, expected from ${path}: somebody else loaded it. Unload it (POST /v1/unload_lora_adapter) once nothing uses it`,
    );
  }

  function refuseBeyondLimit(loaded: readonly LoadedAdapter[]): void {
    const { maxAdapters } = options;
    if (maxAdapters === null || loaded.length < maxAdapters) return;
    const names = loaded.map(({ name }) => name).join(', ');
    throw new ServingRefused(
      `${address} has ${loaded.length} adapters (${names}), serving.maxAdapters is ${maxAdapters}: one more would push another out of its memory. Unload one that nothing uses, or raise --max-cpu-loras of the server and maxAdapters together`,
    );
  }

  async function ensure(request: StartRequest, path: string): Promise<InstanceState> {
    const { service, version, instance, digest } = request;
    const known = await records.read(instance);
    if (known !== null && !known.stopping) {
      if (known.digest !== digest)
        throw new ServingRefused(`${instance} runs with ${known.digest}, not with ${digest}`);
      return stateOf(known, await ensureLoaded(known));
    }
    const adapter = adapterName(model, version, digest);
    const base = { schema: 1 as const, service, version, instance, digest, adapter, path };
    const record: AdapterRecord = { ...base, startedAt: now(), stopping: false };
    await records.write(record);
    try {
      return stateOf(record, await ensureLoaded(record));
    } catch (fault) {
      // Refused for good: nothing may try it again behind everybody's back.
      if (fault instanceof ServingRefused) await records.remove(instance);
      throw fault;
    }
  }

  /** What a restart of the server lost is loaded again; whatever prevents that is how the copy ended. */
  async function look(record: AdapterRecord, loaded: readonly LoadedAdapter[]): Promise<InstanceState | null> {
    const found = loaded.find(({ name }) => name === record.adapter);
    if (found !== undefined && (found.path === null || found.path === record.path)) return stateOf(record, found);
    try {
      return await withFileLock(records.lock(record.adapter), LOCK_WAIT_MS, async () => {
        const now_ = await records.read(record.instance);
        if (now_ === null) return null;
        if (now_.stopping) return endedState(now_, 'stopped', 'its stop has begun');
        return stateOf(now_, await ensureLoaded(now_));
      });
    } catch (fault) {
      if (fault instanceof ServingError) return endedState(record, 'not loaded', fault.message);
      throw fault;
    }
  }

  async function unloaded(record: AdapterRecord): ReturnType<ServingRuntime['stop']> {
    const { instance, adapter } = record;
    const others = (await records.all()).records.filter(
      (other) => other.adapter === adapter && other.instance !== instance && !other.stopping,
    );
    const [other] = others;
    if (other !== undefined) {
      await records.remove(instance);
      return { outcome: 'stopped', why: `its adapter ${adapter} stays loaded for ${other.instance}` };
    }
    // Before the call: a look in between must not load it again.
    await records.write({ ...record, stopping: true });
    try {
      const outcome = await server.unload(adapter);
      const left = outcome === 'unloaded' && (await server.adapters()).some(({ name }) => name === adapter);
      if (left) throw new EngineAnswerRefused(`${address} unloaded the adapter ${adapter} and still offers it`);
      await records.remove(instance);
      if (outcome === 'absent') return { outcome, why: `${address} had no adapter ${adapter}` };
      return { outcome: 'stopped', why: `the adapter ${adapter} was unloaded; what it was answering is finished` };
    } catch (fault) {
      if (!isGone(fault)) throw fault;
      await records.remove(instance);
      return { outcome: 'absent', why: `no server answers at ${address}, its adapters went with it` };
    }
  }

  return {
    kind: 'adapters',
    async start(request, signal) {
      signal.throwIfAborted();
      const { instance, artifact, port, version, digest } = request;
      if (artifact === null) throw new ServingRefused(`${instance}: no artifact to serve`);
      if (port !== undefined && port !== portOf(address))
        throw new ServingRefused(`${instance}: adapters answer at ${address}, so not at port ${port}`);
      const path = pathThere(join(artifact, options.adapter ?? ''), options.artifacts ?? null, address);
      // Locked by the adapter's name, which its instances share, and which their stops need as well.
      const lock = records.lock(adapterName(model, version, digest));
      return await withFileLock(lock, LOCK_WAIT_MS, () => ensure(request, path.replace(/\/+$/, '')));
    },
    async inspect(service) {
      const { records: declared, unreadable } = await records.all();
      const own = declared.filter((record) => record.service === service);
      let loaded: LoadedAdapter[];
      try {
        loaded = await server.adapters();
      } catch (fault) {
        if (!isGone(fault)) throw fault;
        const why = fault instanceof Error ? fault.message : String(fault);
        return { instances: own.map((record) => endedState(record, 'unreachable', why)), foreign: unreadable };
      }
      const states: InstanceState[] = [];
      for (const record of own) {
        const state = await look(record, loaded);
        if (state !== null) states.push(state);
      }
      const ours = new Set(declared.map(({ adapter }) => adapter));
      const foreign = loaded
        .filter(({ name }) => !ours.has(name))
        .map(({ name, path }) => ({
          what: `adapter ${name} at ${address}`,
          why: `nobody here declared it (loaded from ${path ?? 'an unknown place'}); it is left alone`,
        }));
      return { instances: states, foreign: [...unreadable, ...foreign] };
    },
    async stop(instance) {
      const seen = await records.read(instance);
      if (seen === null) return { outcome: 'absent', why: 'nothing was loaded under this name' };
      return await withFileLock(records.lock(seen.adapter), LOCK_WAIT_MS, async () => {
        const record = await records.read(instance);
        if (record === null) return { outcome: 'absent' as const, why: 'it was unloaded before' };
        return await unloaded(record);
      });
    },
    // The log is the server's, which is not ours.
    logs: () => Promise.resolve(''),
  };
}

/** One name for each version and content. Its length is bounded by what a route record may carry. */
export function adapterName(model: string, version: string, digest: string): string {
  return `${model.slice(0, MODEL_CHARS)}@${version}+${digest.replace(/^sha256:/, '').slice(0, 12)}`;
}

function portOf(address: string): number {
  const { port, protocol } = new URL(address);
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}
