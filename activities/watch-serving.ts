import { setTimeout as pause } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { identityKey, NO_IDENTITY, type ObservedServing } from '../domain/observed-serving';
import type { ServingWatchInput, WatchActivities } from '../workflows/contract/activities';
import { messageOf } from './failures';
import { signOfLifeEveryMs } from './heartbeat';
import type { Engine } from './ports';

/** Where something else serves a service; null for a service that lastgood runs itself. */
export interface ServingPlaces {
  readonly model: string;
  readonly places: readonly { readonly configured: string | null; readonly address: string }[];
}

export interface ServingPorts {
  readonly engine: (service: string) => Engine;
  readonly servedAt: (service: string) => ServingPlaces | null;
}

const HEARTBEAT_MS = 1_000;
const READY_MS = 3_000;
/** A language model may take its time for each golden probe of a fingerprint. */
const IDENTITY_MS = 20_000;
/** One odd answer (a copy that is being replaced, another one behind a balancer) is no deploy: it must say so twice. */
const AGAIN_AFTER_MS = 500;

/**
 * Asks who answers at the address each `intervalMs`. Returns when that is somebody else than the known one, or after
 * `returnAfterMs`. An address that does not answer is no change: the traffic itself tells of it. Read-only, so it may
 * run twice.
 */
export function watchServing(ports: ServingPorts): WatchActivities['watchServing'] {
  return async (input) => {
    const context = Context.current();
    const signal = context.cancellationSignal;
    const began = Date.now();
    const timer = setInterval(() => context.heartbeat(), signOfLifeEveryMs(HEARTBEAT_MS));
    context.heartbeat();
    try {
      for (;;) {
        const seen = await lookForChange(ports, input, signal);
        if (signal.aborted) await context.cancelled;
        if (seen !== null || Date.now() - began >= input.returnAfterMs) return { seen };
        await pause(input.intervalMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) await context.cancelled;
      }
    } finally {
      clearInterval(timer);
    }
  };
}

/** Somebody else than the known one, said twice; null otherwise. */
async function lookForChange(
  ports: ServingPorts,
  input: ServingWatchInput,
  signal: AbortSignal,
): Promise<ObservedServing | null> {
  const first = await look(ports, input);
  if (first === null || isKnown(first, input)) return null;
  await pause(AGAIN_AFTER_MS, undefined, { signal }).catch(() => undefined);
  if (signal.aborted) return null;
  const second = await look(ports, input);
  return second?.key === first.key && second.address === first.address ? second : null;
}

function isKnown(seen: ObservedServing, { known }: ServingWatchInput): boolean {
  return known !== null && known.key === seen.key && known.address === seen.address;
}

/** Null: nobody to ask, not ready, or it could not say who it is. */
async function look(ports: ServingPorts, { service, live }: ServingWatchInput): Promise<ObservedServing | null> {
  const served = ports.servedAt(service);
  if (served === null) return null;
  const { model, places } = served;
  const place = places.find(({ address }) => address === live) ?? (places.length === 1 ? places[0] : undefined);
  if (place === undefined) return null;
  const engine = ports.engine(service);
  try {
    if (!(await engine.ready(place.address, model, { timeoutMs: READY_MS })).ready) return null;
    const identity = await engine.identity(place.address, model, { timeoutMs: IDENTITY_MS });
    const key = identityKey(identity);
    const version = identity.version?.slice(0, 200) ?? null;
    return { ...place, model, key, version, means: key === NO_IDENTITY ? 'none' : identity.means };
  } catch (error) {
    Context.current().log.debug('nobody could be asked who serves', { service, error: messageOf(error) });
    return null;
  }
}
