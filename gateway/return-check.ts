import { GatewayConfigError } from './errors';
import { Peer } from './peers';
import type { GatewayConfig, GatewayPeer, RouterState } from './protocol';
import type { Service } from './service';

const LEASE_MS = 1_000;
const HOLD_MAX_MS = 1_500;
const AGAIN_MS = 1_000;
/** A gap is looked for this often within a lease, so that one longer than the lease is always seen. */
const LOOKS_PER_LEASE = 4;

export interface ReturnLimits {
  /** A process that did not run for longer may have missed a shift. */
  readonly leaseMs: number;
  /** New requests wait for the peers at most so long. */
  readonly holdMaxMs: number;
}

/**
 * After a start, and after a time in which this process did not run (stopped, suspended, starved), a newer record may be
 * in force elsewhere. New requests are held until the peers were asked and the highest epoch was taken. Where no peer can
 * be asked the own record serves, for traffic never depends on others; where the disk refuses what they have, theirs serves
 * from memory. `uncheckedSinceMs` is the alarm of both, and it is asked on until that ends.
 */
export class ReturnCheck {
  /** Checks by how they ended: a higher epoch was taken, the own record was the highest, nobody could be asked or nothing be written. */
  readonly ended = { took: 0, own: 0, alone: 0 };
  /** Since when the own record serves without having been compared; null when it was. */
  uncheckedSinceMs: number | null = null;
  private checking: Promise<void> | null = null;
  private again: NodeJS.Timeout | null = null;
  private timer: NodeJS.Timeout | null = null;
  private ranMs = performance.now();
  private ranAtMs = Date.now();

  constructor(
    private readonly services: readonly Service[],
    private readonly peers: readonly Peer[],
    private readonly limits: ReturnLimits,
  ) {}

  /** Before the first request can arrive. */
  start(): void {
    void this.check();
    this.timer = setInterval(() => void this.held(performance.now()), this.limits.leaseMs / LOOKS_PER_LEASE);
  }

  /**
   * What a new request must wait for; null when it may go at once. Asked by each request as well as by the timer: after a
   * thaw the requests that arrived meanwhile come before any timer.
   */
  held(nowMs: number): Promise<void> | null {
    const nowAtMs = Date.now();
    // The monotonic clock stands still while the machine is suspended, the other one does not.
    const awayMs = Math.max(nowMs - this.ranMs, nowAtMs - this.ranAtMs);
    this.ranMs = nowMs;
    this.ranAtMs = nowAtMs;
    if (awayMs <= this.limits.leaseMs) return this.checking;
    note(`did not run for ${Math.round(awayMs)} ms; asks its peers before it serves`);
    // What is under way may have been answered before the gap.
    return this.check();
  }

  /** Resolves when the peers were asked: a command that waited in a socket is older than what they have. */
  async settled(): Promise<void> {
    await this.held(performance.now());
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    if (this.again) clearTimeout(this.again);
    for (const peer of this.peers) peer.close();
  }

  private check(): Promise<void> {
    const checking = this.askAll()
      .then((outcome) => {
        this.ended[outcome] += 1;
        this.noteOutcome(outcome);
      })
      .finally(() => {
        if (this.checking === checking) this.checking = null;
      });
    this.checking = checking;
    return checking;
  }

  private noteOutcome(outcome: keyof ReturnCheck['ended']): void {
    if (this.again) clearTimeout(this.again);
    this.again = null;
    if (outcome !== 'alone') {
      this.uncheckedSinceMs = null;
      return;
    }
    if (this.uncheckedSinceMs === null) {
      this.uncheckedSinceMs = Date.now();
      note('its record is not compared with its peers: serves by its own one until it is');
    }
    this.again = setTimeout(() => void this.askAll().then((later) => this.noteOutcome(later)), AGAIN_MS);
    this.again.unref();
  }

  private async askAll(): Promise<keyof ReturnCheck['ended']> {
    const signal = AbortSignal.timeout(this.limits.holdMaxMs);
    const outcomes = await Promise.all(this.services.map((service) => this.askFor(service, signal)));
    if (outcomes.includes('took')) return 'took';
    return outcomes.includes('alone') ? 'alone' : 'own';
  }

  private async askFor(service: Service, signal: AbortSignal): Promise<keyof ReturnCheck['ended']> {
    const { name } = service.config;
    const asked = await Promise.allSettled(this.peers.map((peer) => peer.state(name, signal)));
    const states = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    if (states.length === 0) return 'alone';
    try {
      return take(service, states) ? 'took' : 'own';
    } catch (fault) {
      // Its disk refuses: tried again until it takes what the peers have, and an alarm until then.
      const why = fault instanceof Error ? fault.message : String(fault);
      const { record } = highestOf(states);
      const isNewer = record !== null && record.epoch > (service.route.record?.epoch ?? -1);
      if (isNewer && service.takeUnwritten(record, Date.now()))
        note(
          `${name}: took epoch ${record.epoch} from a peer, in memory only: the disk refuses (${why}); make room on it`,
        );
      return 'alone';
    }
  }
}

/** The record with the highest epoch, then the highest floor: under a floor of another decision it would be refused. */
function take(service: Service, states: readonly RouterState[]): boolean {
  const highest = highestOf(states);
  const now = Date.now();
  let took = false;
  const { record: own, isUnwritten } = service.route;
  if (own && isUnwritten) service.apply(own, now);
  if (highest.record && highest.record.epoch > (own?.epoch ?? -1)) {
    const result = service.apply(highest.record, now);
    took = result.applied;
    if (result.applied) note(`${service.config.name}: took epoch ${result.epoch} from a peer`);
    else note(`${service.config.name}: epoch ${highest.record.epoch} of a peer is refused: ${result.detail}`);
  }
  service.route.fence(Math.max(...states.map(({ floor }) => floor)), now);
  return took;
}

function highestOf(states: readonly RouterState[]): RouterState {
  const epochOf = (state: RouterState): number => state.record?.epoch ?? -1;
  return states.reduce((best, state) => (epochOf(state) > epochOf(best) ? state : best));
}

function note(words: string): void {
  process.stderr.write(`lastgood gateway: ${words}\n`);
}

/** Null where this gateway is the only one. */
export function openReturnCheck(config: GatewayConfig, services: readonly Service[]): ReturnCheck | null {
  const { peers = [], leaseMs = LEASE_MS, holdMaxMs = HOLD_MAX_MS } = config;
  if (peers.length === 0) return null;
  const open = (peer: GatewayPeer): Peer => {
    try {
      return new Peer(peer);
    } catch (error) {
      throw new GatewayConfigError(`peers: ${peer.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const check = new ReturnCheck(services, peers.map(open), { leaseMs, holdMaxMs });
  for (const service of services) service.returning = check;
  return check;
}
