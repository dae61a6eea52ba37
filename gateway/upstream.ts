import { Pool, type buildConnector } from 'undici';
import { selectorWords, type Backend, type RouteRecord, type VersionSelector } from '../domain/route';

/** Connections to one backend; more requests than that wait in the pool's queue. */
const CONNECTIONS = 256;
/** Below the 5 s after which a Node server closes idle connections: a request must not be sent into a closing one. */
const KEEP_ALIVE_MS = 4_000;
/** After a refused connection a backend is tried last for this long, if there is another. */
const AVOID_MS = 1_000;
/** So many resets in a row without an answer in between count as a dead backend; one may be a closing idle connection. */
const RESETS_OF_A_DEAD_BACKEND = 2;
const WITNESSES = 2;

/** One address with its connections. Several versions may answer there, each with a health of its own. */
export class Upstream {
  readonly pool: Pool;
  /** It accepted no connection when last asked for one, whichever version the request was for. */
  refused = false;
  avoidUntil = 0;
  private readonly healths = new Map<string, Health>();

  constructor(
    readonly address: string,
    silenceMaxMs: number,
    connect: buildConnector.connector,
  ) {
    this.pool = new Pool(address, {
      connections: CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0,
      bodyTimeout: silenceMaxMs,
      connect,
    });
  }

  /** Of the version that is named so; kept over changes of the record. */
  healthOf(selector: VersionSelector | undefined): Health {
    const key = selector === undefined ? '' : selectorWords(selector);
    let health = this.healths.get(key);
    if (!health) this.healths.set(key, (health = new Health(this)));
    return health;
  }

  /** Lets requests in flight end, then closes. */
  retire(): void {
    void this.pool.close();
  }

  destroy(): void {
    void this.pool.destroy();
  }
}

/**
 * What is known of one version at one address from its requests themselves. That no connection is accepted concerns all
 * versions there; resets only the one whose requests they were, or a version that kills its worker would be thought
 * alive for as long as another one at the same address answers.
 */
export class Health {
  private resetsInRow = 0;
  /** Requests whose resets those were, as far as they were not the same one again. */
  private witnesses = 0;
  private lastWitness: string | null = null;
  private avoidUntil = 0;

  constructor(private readonly upstream: Upstream) {}

  answered(): void {
    this.upstream.refused = false;
    this.upstream.avoidUntil = 0;
    this.resetsInRow = 0;
    this.witnesses = 0;
    this.lastWitness = null;
    this.avoidUntil = 0;
  }

  /** `requestId`: of a reset, whose it was. */
  failed(kind: 'refused' | 'reset', now: number, requestId: string | null = null): void {
    if (kind === 'refused') {
      this.upstream.refused = true;
      this.upstream.avoidUntil = now + AVOID_MS;
    } else {
      this.resetsInRow += 1;
      if (requestId === null || requestId !== this.lastWitness) this.witnesses += 1;
      this.lastWitness = requestId;
      this.avoidUntil = now + AVOID_MS;
    }
  }

  /** True when it accepts no connection or resets all: other requests' answers in between prove the opposite. */
  looksDead(): boolean {
    return this.upstream.refused || this.resetsInRow >= RESETS_OF_A_DEAD_BACKEND;
  }

  /** One request alone may reset every backend that it is sent to: that proves nothing about what others get. */
  isProvenDead(): boolean {
    return this.upstream.refused || (this.looksDead() && this.hasWitnesses());
  }

  /** Several requests were reset here, one after the other. */
  hasWitnesses(): boolean {
    return this.witnesses >= WITNESSES;
  }

  avoided(now: number): boolean {
    return this.avoidUntil > now || this.upstream.avoidUntil > now;
  }
}

/** A version under one record: its backends, and the number of requests in flight on the version, over all records. */
export class Lane {
  private next = 0;

  constructor(
    readonly version: string,
    readonly targets: readonly Target[],
    readonly flight: { count: number },
  ) {}

  /** The next backend for a request that already failed on `tried` ones; each may be asked again once after a reset. */
  pick(tried: ReadonlyMap<Target, Tries> | null, now: number): Target | undefined {
    const { targets } = this;
    const turn = this.next++;
    let second: Target | undefined;
    for (let step = 0; step < targets.length; step += 1) {
      const target = targets[(turn + step) % targets.length] as Target;
      const tries = tried?.get(target);
      if (tries === undefined) {
        if (!target.health.avoided(now)) return target;
        second = target;
      } else if (!tries.refused && tries.resets === 1) {
        second ??= target;
      }
    }
    return second;
  }

  dead(): boolean {
    return this.targets.every((target) => target.health.looksDead());
  }

  provenDead(): boolean {
    return this.targets.every((target) => target.health.isProvenDead());
  }
}

export interface Target {
  readonly backend: Backend;
  readonly upstream: Upstream;
  readonly health: Health;
}

export interface Tries {
  readonly refused: boolean;
  readonly resets: number;
}

/** All backends of one service, kept over changes of the record as long as one names their address. */
export class Upstreams {
  private byAddress = new Map<string, Upstream>();
  private readonly flights = new Map<string, { count: number }>();

  constructor(
    private readonly silenceMaxMs: number,
    private readonly connect: buildConnector.connector,
  ) {}

  /** The lanes of a record. Backends that it does not name any more close once their requests have ended. */
  lanesOf(record: RouteRecord): Map<string, Lane> {
    const kept = new Map<string, Upstream>();
    const lanes = new Map<string, Lane>();
    for (const [version, backends] of Object.entries(record.backends)) {
      const targets = backends.map((backend) => {
        const upstream =
          kept.get(backend.address) ??
          this.byAddress.get(backend.address) ??
          new Upstream(backend.address, this.silenceMaxMs, this.connect);
        kept.set(backend.address, upstream);
        return { backend, upstream, health: upstream.healthOf(backend.selector) };
      });
      lanes.set(version, new Lane(version, targets, this.flight(version)));
    }
    for (const [address, upstream] of this.byAddress) if (!kept.has(address)) upstream.retire();
    this.byAddress = kept;
    return lanes;
  }

  inFlight(): Record<string, number> {
    const result: Record<string, number> = {};
    for (const [version, flight] of this.flights) {
      if (flight.count > 0) result[version] = flight.count;
    }
    return result;
  }

  destroy(): void {
    for (const upstream of this.byAddress.values()) upstream.destroy();
  }

  private flight(version: string): { count: number } {
    let flight = this.flights.get(version);
    if (!flight) this.flights.set(version, (flight = { count: 0 }));
    return flight;
  }
}
