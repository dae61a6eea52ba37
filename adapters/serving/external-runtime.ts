import type { Engine, InstanceState, ServingRuntime } from '../../activities/ports';
import { identityKey, observedName } from '../../domain/observed-serving';
import { instanceName } from '../../domain/route';
import { EngineAnswerRefused, EngineUnreachable, ServingRefused } from './errors';

export interface ExternalRuntimeOptions {
  readonly service: string;
  readonly model: string;
  readonly engine: Engine;
  /**
   * `versions`: each version at an address of its own. `address`: one address, whose version is what it says of itself
   * (or what `versionOf` knows of the digest).
   */
  readonly serves:
    | { readonly versions: Readonly<Record<string, string>> }
    | { readonly address: string; readonly versionOf?: (digest: string) => string | null };
  /** A server that sleeps counts as running: whoever loads the version wakes it. Default: it counts as gone. */
  readonly mayWake?: boolean;
  readonly timeoutMs?: number;
  readonly now?: () => number;
}

/**
 * Versions that something else runs. It starts and stops nothing: `start` finds the version at its address and rejects
 * with {@link ServingRefused} when it is not there, `stop` is refused. Its instances are called `service@version#external`
 * whatever name was asked for: there is one of each, and it is not ours.
 */
export function externalRuntime(options: ExternalRuntimeOptions): ServingRuntime {
  const { service, engine, model, serves } = options;
  const timeoutMs = options.timeoutMs ?? 2_000;
  const now = options.now ?? Date.now;
  const nameOf = (version: string): string => instanceName(service, version, 'external');

  async function look(version: string | null, address: string): Promise<InstanceState> {
    const readiness = await engine.ready(address, model, { timeoutMs });
    const base = { startedAt: 0, memoryBytes: null };
    const gone = (why: string): InstanceState => {
      const named = version ?? 'unknown';
      const exit = { at: now(), code: 'unreachable', logTail: why };
      return { ...base, instance: nameOf(named), version: named, state: 'exited', address, digest: null, exit };
    };
    const wakeable = options.mayWake === true && readiness.asleep === true;
    if (!readiness.ready && !wakeable) return gone(readiness.why);
    try {
      const identity = await engine.identity(address, model, { timeoutMs });
      const known =
        'versionOf' in serves && identity.digest !== null ? (serves.versionOf?.(identity.digest) ?? null) : null;
      const key = identityKey(identity);
      const named = known ?? observedName({ configured: version, version: identity.version, key });
      const state = { ...base, instance: nameOf(named), version: named, address, digest: key, exit: null };
      return { ...state, state: 'running' };
    } catch (fault) {
      if (fault instanceof EngineUnreachable || fault instanceof EngineAnswerRefused) return gone(fault.message);
      throw fault;
    }
  }

  function all(): Promise<InstanceState[]> {
    if ('address' in serves) return Promise.all([look(null, serves.address)]);
    return Promise.all(Object.entries(serves.versions).map(([version, address]) => look(version, address)));
  }

  /** Its own address, else the one that serves its content now: something else may have deployed it there. */
  async function addressOf(
    { version, digest }: { readonly version: string; readonly digest: string },
    versions: Readonly<Record<string, string>>,
  ): Promise<string | null> {
    if (Object.hasOwn(versions, version)) return versions[version] ?? null;
    const found = await all();
    return found.find((state) => state.state === 'running' && state.digest === digest)?.address ?? null;
  }

  return {
    kind: 'external',
    async start(request, signal) {
      signal.throwIfAborted();
      if (request.service !== service)
        throw new ServingRefused(`this runtime serves ${service}, not ${request.service}`);
      const address = 'address' in serves ? serves.address : await addressOf(request, serves.versions);
      if (address === null) throw new ServingRefused(`${service}@${request.version}: no address is configured for it`);
      const state = await look('address' in serves ? null : request.version, address);
      if (state.state !== 'running')
        throw new ServingRefused(`${service}@${request.version}: ${state.exit?.logTail ?? state.state}`);
      const isIt = state.version === request.version || (state.digest !== null && state.digest === request.digest);
      if (!isIt) {
        throw new ServingRefused(
          `${address} serves ${state.version} (${state.digest ?? 'no digest'}), not ${request.version}; lastgood does not start it`,
        );
      }
      return { ...state, version: request.version, instance: nameOf(request.version) };
    },
    async inspect(asked) {
      return { instances: asked === service ? await all() : [], foreign: [] };
    },
    stop: (instance) =>
      Promise.resolve({ outcome: 'refused', why: `${instance} is run by something else; lastgood does not stop it` }),
    // The log is where the instance runs.
    logs: () => Promise.resolve(''),
  };
}
