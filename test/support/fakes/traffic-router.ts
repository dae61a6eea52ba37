import type { TrafficRouter } from '../../../activities/ports';
import { sameRoute, type RouteRecord } from '../../../domain/route';
import type { ApplyResult, RouterState } from '../../../gateway/protocol';

interface Held {
  record: RouteRecord | null;
  floor: number;
  inForceSince: number | null;
  fallback: RouterState['fallback'];
  inFlight: Record<string, number>;
  pinned: RouterState['pinned'];
}

/** In-memory router with the epochs and floors of a real one. Knows only the services that it was made with. */
export class FakeTrafficRouter implements TrafficRouter {
  private readonly held = new Map<string, Held>();
  /** Every call in order, for tests of sequences. */
  readonly calls: string[] = [];
  /** The next call rejects with this. */
  fault: Error | null = null;

  constructor(
    services: readonly string[],
    private readonly now: () => number = Date.now,
  ) {
    for (const service of services) {
      this.held.set(service, { record: null, floor: 0, inForceSince: null, fallback: null, inFlight: {}, pinned: {} });
    }
  }

  async read(service: string): Promise<RouterState> {
    const held = this.need(service, 'read');
    return Promise.resolve({ service, ...held, record: held.record as RouterState['record'], lastSeq: 0 });
  }

  async apply(record: RouteRecord): Promise<ApplyResult> {
    const held = this.need(record.service, `apply ${record.epoch} ${record.primary}`);
    const current = held.record;
    const refused = (why: Extract<ApplyResult, { applied: false }>['why']): ApplyResult => {
      return { applied: false, why, epoch: current?.epoch ?? 0, floor: held.floor, detail: why };
    };
    if (current && held.inForceSince !== null && sameRoute(current, record)) {
      return { applied: true, epoch: record.epoch, persistedAt: held.inForceSince };
    }
    if (current && record.epoch < current.epoch) return refused('stale-epoch');
    if (record.epoch < held.floor) return refused('below-floor');
    if (current && record.epoch === current.epoch) return refused('same-epoch-other-content');
    const named = [record.gap ? undefined : record.primary, record.share?.version, record.fallback];
    if (named.some((version) => version !== undefined && (record.backends[version] ?? []).length === 0)) {
      return refused('no-backend');
    }
    const at = this.now();
    Object.assign(held, { record, inForceSince: at, fallback: null });
    return Promise.resolve({ applied: true, epoch: record.epoch, persistedAt: at });
  }

  async fence(service: string, epoch: number): Promise<number> {
    const held = this.need(service, `fence ${epoch}`);
    held.floor = Math.max(held.floor, epoch);
    return Promise.resolve(held.floor);
  }

  async drained(service: string, version: string): Promise<{ drained: boolean; inFlight: number; pinned: number }> {
    const held = this.need(service, `drained ${version}`);
    const inFlight = held.inFlight[version] ?? 0;
    const pinned = held.pinned[version]?.sessions ?? 0;
    return Promise.resolve({ drained: inFlight === 0 && pinned === 0, inFlight, pinned });
  }

  async entrance(service: string): Promise<{ address: string; probeHeaders: Readonly<Record<string, string>> }> {
    this.need(service, 'entrance');
    return Promise.resolve({ address: 'http://127.0.0.1:1', probeHeaders: { 'x-lastgood-probe': 'fake' } });
  }

  setInFlight(service: string, version: string, requests: number): void {
    this.need(service, 'setInFlight').inFlight[version] = requests;
  }

  beginFallback(service: string, reason: string): void {
    const held = this.need(service, 'beginFallback');
    if (held.record?.fallback === undefined) throw new Error(`${service} has no fallback`);
    held.fallback = { version: held.record.fallback, since: this.now(), epoch: held.record.epoch, reason };
  }

  private need(service: string, call: string): Held {
    this.calls.push(`${service}: ${call}`);
    const { fault } = this;
    this.fault = null;
    if (fault) throw fault;
    const held = this.held.get(service);
    if (!held) throw new Error(`no such service: ${service}`);
    return held;
  }
}
