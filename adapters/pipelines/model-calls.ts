import type { Engine, ModelCalls, TrafficRouter } from '../../activities/ports';
import { ModelUnavailable, RedoneByDegraded } from './errors';

export interface ModelCallsOptions {
  readonly router: Pick<TrafficRouter, 'entrance'>;
  readonly engine: (service: string) => Engine;
  /** Name by which the server knows the model. */
  readonly model: (service: string) => string;
  readonly timeoutMs: (service: string) => number;
}

/** The way in is asked for again after so long: a gateway that was restarted may have another one. */
const ENTRANCE_MS = 5_000;
/** The model was there and asks for patience, or a proxy in front of it had nobody to ask. */
const PATIENCE: readonly number[] = [408, 425, 429, 502, 503, 504];

interface Entrance {
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly at: number;
}

/**
 * Requests of pipeline items by the router, so that the version answers that serves now. They carry what keeps them out of
 * every metric: a burst of yesterday's inputs would look like a change of today's.
 */
export function modelCalls({ router, engine, model, timeoutMs }: ModelCallsOptions): ModelCalls {
  const entrances = new Map<string, Entrance>();

  async function entranceOf(service: string): Promise<Entrance> {
    const known = entrances.get(service);
    if (known && performance.now() - known.at < ENTRANCE_MS) return known;
    const { address, probeHeaders } = await router.entrance(service);
    const found = { address, headers: probeHeaders, at: performance.now() };
    entrances.set(service, found);
    return found;
  }

  return {
    async ask({ service, key, body, degraded }, signal) {
      signal.throwIfAborted();
      try {
        const { address, headers } = await entranceOf(service);
        const answer = await engine(service).infer(address, model(service), body, {
          timeoutMs: timeoutMs(service),
          headers: { ...headers, 'idempotency-key': key, 'x-lastgood-redo': '1' },
        });
        const { status, outputs } = answer;
        if (PATIENCE.includes(status)) throw new ModelUnavailable(`the model answered ${status}`);
        if (status < 200 || status >= 300) return { kind: 'refused', status };
        const version = answer.headers['x-lastgood-version'];
        if (version === undefined)
          throw new ModelUnavailable(`${address} does not say which version answered (x-lastgood-version)`);
        if (version === degraded)
          throw new RedoneByDegraded(`${degraded} answers again, whose items are to be redone; nothing was written`);
        return { kind: 'answered', version, outputs };
      } catch (error) {
        if (error instanceof ModelUnavailable || error instanceof RedoneByDegraded) throw error;
        entrances.delete(service);
        throw new ModelUnavailable(`the model cannot be asked: ${(error as Error).message}`, { cause: error });
      }
    },
  };
}
