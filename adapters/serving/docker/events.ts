import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { InstanceEvent } from '../../../activities/ports';
import { opaque, type DockerClient } from './client';
import type { Containers, OwnContainer } from './containers';
import { endOf, hasEnded, momentOf } from './inspection';
import { label } from './labels';
import { linesOf } from './lines';

/** `health_status: unhealthy`, `oom`, `die`; what an exec (a health check) does is no event of the copy. */
const eventSchema = z.object({
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()) }),
  timeNano: z.number(),
});

const AGAIN_MS = [100, 250, 500, 1_000, 2_000] as const;
const ATTACH_LIMIT_MS = 5_000;

export interface EventSource {
  readonly client: DockerClient;
  readonly containers: Containers;
  readonly service: string;
  readonly signal: AbortSignal;
}

/**
 * What happens to the copies of a service, as the engine tells it. An engine that restarts ends the stream and forgets its
 * events: the copies are then looked at, and those that ended meanwhile are told. Ends when the signal aborts.
 */
export async function* followEvents(source: EventSource): AsyncGenerator<InstanceEvent> {
  const { signal } = source;
  let up = new Map<string, OwnContainer>();
  let lostAt: number | null = null;
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      const stream = await attach(source);
      // After the stream began, so that nothing falls between the look and the stream; a death may then be told twice.
      const now = await source.containers.labelled('service', source.service);
      if (lostAt !== null)
        yield {
          at: Date.now(),
          event: 'engine-back',
          instance: null,
          detail: `it was away since ${new Date(lostAt).toISOString()}`,
        };
      lostAt = null;
      failures = 0;
      for (const container of now.own) {
        if (up.has(container.seen.Id) && hasEnded(container.seen)) yield diedWhileAway(container);
      }
      up = new Map(now.own.filter(({ seen }) => !hasEnded(seen)).map((one) => [one.seen.Id, one]));
      for await (const line of stream) {
        const event = eventOf(line, source.containers.owner);
        if (event === null) continue;
        yield event;
        if (event.event === 'died') up.delete(event.id);
        else if (event.event === 'started') {
          const seen = await source.containers.labelled('service', source.service);
          up = new Map(seen.own.filter((one) => !hasEnded(one.seen)).map((one) => [one.seen.Id, one]));
        }
      }
    } catch {
      // The engine is away: what it will have missed is looked at when it is back.
    }
    if (signal.aborted) return;
    if (lostAt === null) {
      lostAt = Date.now();
      yield { at: lostAt, event: 'engine-lost', instance: null, detail: `${source.client.name} ended its events` };
    }
    await pause(AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)], undefined, { signal }).catch(() => undefined);
  }
}

async function attach({ client, service, signal }: EventSource): Promise<AsyncIterable<string>> {
  const filters = {
    type: ['container' as const],
    label: [`${label.service}=${service}`],
    event: ['start', 'die', 'oom', 'health_status'],
  };
  const stream = await client.call(
    'follow its events',
    // The limit is for the begin alone; the stream itself lives as long as the caller wants.
    (docker) => docker.getEvents({ filters, abortSignal: opaque(signal) }),
    { limitMs: ATTACH_LIMIT_MS, signal },
  );
  return linesOf(stream);
}

function eventOf(line: string, owner: string): (InstanceEvent & { readonly id: string }) | null {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return null;
  }
  const parsed = eventSchema.safeParse(json);
  if (!parsed.success) return null;
  const { Action, Actor, timeNano } = parsed.data;
  const instance = Actor.Attributes[label.instance];
  if (Actor.Attributes[label.owner] !== owner || instance === undefined) return null;
  const base = { at: Math.round(timeNano / 1e6), instance, id: Actor.ID };
  if (Action === 'start') return { ...base, event: 'started', detail: '' };
  if (Action === 'oom') return { ...base, event: 'out-of-memory', detail: 'the kernel killed a process of it' };
  if (Action === 'die')
    return { ...base, event: 'died', detail: `exit code ${Actor.Attributes['exitCode'] ?? 'unknown'}` };
  if (Action === 'health_status: healthy') return { ...base, event: 'healthy', detail: 'by the check of its image' };
  if (Action === 'health_status: unhealthy')
    return { ...base, event: 'unhealthy', detail: 'by the check of its image' };
  return null;
}

function diedWhileAway({ labels, seen }: OwnContainer): InstanceEvent {
  const at = momentOf(seen.State.FinishedAt) ?? Date.now();
  return { at, event: 'died', instance: labels.instance, detail: `${endOf(seen)}, while the engine was away` };
}
