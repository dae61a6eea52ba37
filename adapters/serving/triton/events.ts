import { setTimeout as pause } from 'node:timers/promises';
import type { InstanceEvent } from '../../../activities/ports';
import type { TritonRecord } from './records';
import type { VersionState } from './repository-api';
import { wordsOfFault, type TritonSources } from './sources';
import type { Restored } from './restoring';

export interface Followed {
  readonly sources: TritonSources;
  readonly service: string;
  readonly signal: AbortSignal;
  readonly everyMs: number;
  /** Brings back what was declared, after the server was away. */
  readonly restore: () => Promise<Restored>;
}

/** A restoring that could not be done is tried again after this. */
const AGAIN_MS = 10_000;

/**
 * Triton tells nobody anything: its index is looked at, and what changed is told. A declared version that the index does not
 * know at all was loaded in another life of the server: it is brought back, also where nobody saw the server go. It knows no
 * deaths of processes and no memory kills: what is out of memory is a load that failed, or a server that is away.
 */
export async function* followServer(followed: Followed): AsyncGenerator<InstanceEvent> {
  const { sources, service, signal, everyMs } = followed;
  const { server, records, now } = sources;
  const said = new Set<string>();
  let before: ReadonlyMap<number, VersionState> | null = null;
  let isAway = false;
  let restoreAt = 0;
  while (!signal.aborted) {
    const found = await server.versions().catch((fault: unknown) => wordsOfFault(fault));
    if (typeof found === 'string') {
      if (!isAway) yield { at: now(), event: 'engine-lost', instance: null, detail: found };
      isAway = true;
    } else {
      let states = found;
      const isNew = (await records.all()).records.some(
        ({ state, number }) => state === 'declared' && !states.has(number),
      );
      if (isAway || (isNew && said.size === 0))
        yield { at: now(), event: 'engine-back', instance: null, detail: `Triton at ${server.address} answers` };
      isAway = false;
      if (isNew && performance.now() >= restoreAt) {
        restoreAt = performance.now() + AGAIN_MS;
        yield* restored(followed, said);
        states = await server.versions().catch(() => found);
      } else if (!isNew) said.clear();
      const { records: all } = await records.all();
      if (before !== null) yield* changes(all, service, before, states, now());
      before = states;
    }
    await pause(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

/** What cannot be brought back is told once. */
async function* restored({ sources, service, restore }: Followed, said: Set<string>): AsyncGenerator<InstanceEvent> {
  const { records, now } = sources;
  try {
    for (const { instance, why } of (await restore()).failed) {
      if (said.has(instance) || (await records.of(instance))?.service !== service) continue;
      said.add(instance);
      yield { at: now(), event: 'died', instance, detail: why };
    }
  } catch (fault) {
    // It is away again, refuses, or the lock is held; it is tried again.
    const detail = wordsOfFault(fault);
    if (!said.has(detail)) yield { at: now(), event: 'engine-lost', instance: null, detail };
    said.add(detail);
  }
}

function* changes(
  records: readonly TritonRecord[],
  service: string,
  before: ReadonlyMap<number, VersionState>,
  after: ReadonlyMap<number, VersionState>,
  at: number,
): Generator<InstanceEvent> {
  for (const { service: of, instance, number, state } of records) {
    if (of !== service) continue;
    const was = before.get(number)?.state ?? 'UNAVAILABLE';
    const is = after.get(number);
    if (was !== 'READY' && is?.state === 'READY')
      yield { at, event: 'started', instance, detail: `version ${number} is ready` };
    const isGone = is === undefined || is.state === 'UNAVAILABLE';
    if (was !== 'UNAVAILABLE' && isGone && state === 'declared')
      yield { at, event: 'died', instance, detail: is?.reason ?? `version ${number} is not loaded any more` };
  }
}
