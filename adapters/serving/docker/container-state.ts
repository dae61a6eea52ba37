import type { InstanceState } from '../../../activities/ports';
import { listens } from '../process-launch';
import type { Containers, OwnContainer } from './containers';
import { endOf, hasEnded, isUp, momentOf, publishedPort } from './inspection';

const TAIL_BYTES = 4_096;
const TAIL_LINES = 200;

export interface StateSources {
  readonly containers: Containers;
  /** Host at which published ports are reached. */
  readonly reachedAt: string;
  readonly identify: ((address: string) => Promise<string | null>) | undefined;
}

/** The state of a copy as it is read of its container, its measurements, and its own words. */
export async function containerState(sources: StateSources, container: OwnContainer): Promise<InstanceState> {
  const { labels, seen } = container;
  const { instance, version } = labels;
  const startedAt = startOf(container);
  const base = { instance, version, startedAt };
  if (hasEnded(seen)) {
    const logTail = await tailOf(sources.containers, container);
    const exit = { at: momentOf(seen.State.FinishedAt) ?? startedAt, code: endOf(seen), logTail };
    return { ...base, state: 'exited', address: null, digest: null, exit, memoryBytes: null };
  }
  const address = isUp(seen) ? await addressOf(sources, container) : null;
  const [digest, memory] = await Promise.all([
    address === null ? null : (sources.identify?.(address).catch(() => null) ?? null),
    // It may end between two looks; what is not known is not measured.
    isUp(seen) ? sources.containers.memory(seen.Id).catch(() => null) : null,
  ]);
  const own = seen.HostConfig.Memory;
  const shared = memory?.limitBytes ?? null;
  return {
    ...base,
    state: address === null ? 'starting' : 'running',
    address,
    digest,
    exit: null,
    memoryBytes: memory?.bytes ?? null,
    ...(own > 0
      ? { memoryLimit: { bytes: own, of: 'the memory limit of its container' } }
      : shared !== null && { memoryLimit: { bytes: shared, of: 'the memory of its host' } }),
  };
}

export function startOf({ seen }: OwnContainer): number {
  return momentOf(seen.State.StartedAt) ?? momentOf(seen.Created) ?? 0;
}

/** Read again at each look: a container that somebody starts again gets another port. */
export async function addressOf({ reachedAt }: StateSources, { labels, seen }: OwnContainer): Promise<string | null> {
  const port = labels.port ?? publishedPort(seen);
  if (port === null) return null;
  // On the host's own network it is an address once somebody listens there.
  if (labels.port !== null && !(await listens(port))) return null;
  return `http://${reachedAt.includes(':') ? `[${reachedAt}]` : reachedAt}:${port}`;
}

export async function tailOf(containers: Containers, { seen }: OwnContainer): Promise<string> {
  return (await containers.log(seen, TAIL_LINES)).subarray(-TAIL_BYTES).toString('utf8');
}
