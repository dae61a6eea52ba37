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

/**
 * Triton tells nobody anything: its index is looked at, and what changed is told. A server that was away, also while nobody
 * followed, gets back what was declared there. It knows no deaths of processes and no memory kills: what is out of memory
 * is a load that failed, or a server that is away.
 */
export async function* followServer(followed: Followed): AsyncGenerator<InstanceEvent> {
  const { sources, service, signal, everyMs } = followed;
  const { server, records, now } = sources;
  let before: ReadonlyMap<number, VersionState> | null = null;
  let isAway = false;
  while (!signal.aborted) {
    const found = await server.versions().catch((fault: unknown) => wordsOfFault(fault));
    if (typeof found === 'string') {
      if (!isAway) {
        await records.markAway(now());
        yield { at: now(), event: 'engine-lost', instance: null, detail: found };
      }
      isAway = true;
    } else {
      isAway = false;
      let states = found;
      if (await records.isAway()) {
        yield { at: now(), event: 'engine-back', instance: null, detail: `Triton at ${server.address} answers again` };
        yield* restored(followed);
        states = await server.versions().catch(() => found);
      }
      const { records: all } = await records.all();
      if (before !== null) yield* changes(all, service, before, states, now());
      before = states;
    }
    await pause(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

async function* restored({ sources, service, restore }: Followed): AsyncGenerator<InstanceEvent> {
  const { records, now } = sources;
  try {
    const { failed } = await restore();
    await records.clearAway();
    for (const { instance, why } of failed)
      if ((await records.of(instance))?.service === service) yield { at: now(), event: 'died', instance, detail: why };
  } catch (fault) {
    // It is away again, or the lock is held: the mark stands, and the next look tries again.
    yield { at: now(), event: 'engine-lost', instance: null, detail: wordsOfFault(fault) };
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
