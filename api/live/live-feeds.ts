import { ApiError } from '../problem';
import type { ApiPorts } from '../ports';
import { EventStream } from './event-stream';
import { ServiceFeed } from './service-feed';

export interface LiveLimits {
  readonly everyMs: number;
  /** A comment so often keeps the connection open, and the proof of its reader is looked at again. */
  readonly aliveMs: number;
  readonly listeners: number;
  readonly listenersOfOne: number;
  /** What one reader may leave lying. */
  readonly unsentBytes: number;
}

export const liveLimits: LiveLimits = {
  everyMs: 1_000,
  aliveMs: 15_000,
  listeners: 100,
  listenersOfOne: 20,
  unsentBytes: 1024 * 1024,
};

/** Everybody who listens to services, at all doors of this process. */
export class LiveFeeds {
  private readonly feeds = new Map<string, ServiceFeed>();
  private readonly names = new Map<EventStream, string>();

  constructor(
    private readonly ports: ApiPorts,
    readonly limits: LiveLimits = liveLimits,
  ) {}

  /** @throws ApiError 429 where too many listen. */
  open(service: { readonly name: string; readonly model: string }, reader: string, after: number | null): EventStream {
    const { listeners, listenersOfOne, unsentBytes, everyMs } = this.limits;
    const held = [...this.names.values()];
    if (held.length >= listeners) throw tooMany(`${listeners} listen to services already`);
    if (held.filter((name) => name === reader).length >= listenersOfOne)
      throw tooMany(`${reader} listens ${listenersOfOne} times already`);
    const stream = new EventStream(unsentBytes);
    this.names.set(stream, reader);
    stream.body.once('close', () => this.names.delete(stream));
    const feed = this.feeds.get(service.name) ?? new ServiceFeed(this.ports, service, everyMs);
    this.feeds.set(service.name, feed);
    feed.add(stream, after);
    return stream;
  }
}

function tooMany(what: string): ApiError {
  return new ApiError(429, 'Too many listeners', `${what}; end one, or ask for the status now and then`);
}
