import { condition, getExternalWorkflowHandle, log } from '@temporalio/workflow';
import type { DetectionState, StandingEntry } from '../contract/inputs';
import { serviceWorkflowId } from '../contract/ids';
import {
  signalNames,
  type DegradationBegan,
  type LiveReported,
  type RouteObserved,
  type StandbyReported,
  type TiersReported,
} from '../contract/signals';
import type { ObservedRoute } from '../contract/activities';
import { readingsOf } from './state';

/** A service that knows all of this already need not hear it again before … */
const TIERS_EVERY_MS = 5 * 60_000;
const TIERS_CONFIRMING_MS = 60_000;
/** Undecided kinds come and go with the traffic; a change of them waits so long. */
const TIERS_SETTLE_MS = 30_000;
const RETRY_MS = [1_000, 5_000, 15_000, 60_000] as const;

interface Due {
  readonly name: keyof typeof signalNames;
  readonly payload: readonly unknown[];
  readonly sent: () => void;
}

export interface Reported {
  readonly state: DetectionState;
  change(change: Partial<DetectionState>): void;
}

/** Inside the cooldown a verdict stands and is measured on, but is marked. */
export function isSuppressed({ route }: DetectionState, now: number): boolean {
  return route !== null && route.cooldownUntil !== null && now < route.cooldownUntil;
}

/** What the service did not hear of is looked at anew. */
export function carriedState(state: DetectionState, { owesProof, owesLive }: Reports): DetectionState {
  const standbyKnown = owesProof ? null : state.standbyKnown;
  return { ...state, standbyKnown, ...(owesLive && { liveKnown: null }) };
}

/**
 * Tells the service what it does not know yet, derived from the state: a verdict is reported when it began, again when
 * the epoch or its suppression changed or the service began anew, and its end once. A signal that fails is sent again at the next turn.
 */
export class Reports {
  private asked: boolean;
  private observed: ObservedRoute | null = null;
  private observedTold = '';
  private standby: StandbyReported | null = null;
  private live: LiveReported | null = null;
  private tiersAt = 0;
  private tiersTold = '';
  private failures = 0;

  constructor(
    private readonly service: string,
    private readonly about: Reported,
  ) {
    this.asked = about.state.route !== null;
  }

  /** What the router says; a quiet picture that was told already is not told again. */
  observe(observed: ObservedRoute): void {
    const { record, floor, fallback, serving } = observed;
    // An assessment takes its time: a look that it began before the one that waits to be told is an old one.
    if (!serving && (this.observed?.readAt ?? 0) > (observed.readAt ?? Infinity)) return;
    const picture = JSON.stringify([record, floor, fallback, this.about.state.route?.incarnation]);
    // A router that is behind is told each time until it is put right.
    const behind = (record?.epoch ?? 0) < (this.about.state.route?.epoch ?? 0);
    if (picture === this.observedTold && !behind && !serving) return;
    this.observedTold = picture;
    // A look at the router alone must not take the place of a report that is still to be sent.
    const unsent = serving ?? this.observed?.serving;
    this.observed = unsent ? { ...observed, serving: unsent } : observed;
  }

  proofOf(report: StandbyReported): void {
    this.standby = report;
  }

  liveIs(report: LiveReported): void {
    this.live = report;
  }

  /** Who serves was seen, and the service was not told yet. */
  get owesServing(): boolean {
    return Boolean(this.observed?.serving);
  }

  get owesLive(): boolean {
    return this.live !== null;
  }

  get owesProof(): boolean {
    return this.standby !== null;
  }

  /** The service cannot be reached; what it must hear is in the state, and is sent when it can. */
  get failing(): boolean {
    return this.failures > 0;
  }

  get isDue(): boolean {
    return this.due(Date.now()).length > 0;
  }

  async run(stopping: () => boolean): Promise<void> {
    for (;;) {
      await condition(() => stopping() || this.isDue);
      if (stopping()) return;
      // In one task and in this order: what the router did comes before the verdict on it.
      const sent = await Promise.all(this.due(Date.now()).map((one) => this.send(one)));
      this.failures = sent.every(Boolean) ? 0 : this.failures + 1;
      if (this.failures > 0)
        await condition(stopping, RETRY_MS[Math.min(this.failures, RETRY_MS.length) - 1] ?? 60_000, {
          summary: 'the service workflow is back',
        });
    }
  }

  private due(now: number): Due[] {
    const due: Due[] = [];
    if (!this.asked) due.push({ name: 'detectionStarted', payload: [], sent: () => (this.asked = true) });
    const { state } = this.about;
    const { route } = state;
    const { observed, standby } = this;
    if (observed) {
      const payload: RouteObserved = { observed, at: now };
      due.push({ name: 'routeObserved', payload: [payload], sent: () => this.forgetObserved(observed) });
    }
    if (!route) return due;
    const { live } = this;
    if (live) due.push({ name: 'liveReported', payload: [live], sent: () => this.forgetLive(live) });
    for (const entry of state.standing) {
      const heardBy = route.incarnation === undefined ? '' : `/${route.incarnation}`;
      const told = `${route.epoch}/${isSuppressed(state, now)}${heardBy}`;
      if (entry.cause === null || entry.told === told || entry.version !== route.version) continue;
      due.push({
        name: 'degradationBegan',
        payload: [this.beganOf(entry, now)],
        sent: () => this.setTold(entry, told),
      });
    }
    for (const end of state.ended)
      due.push({ name: 'degradationEnded', payload: [end], sent: () => this.forgetEnd(end.id) });
    if (standby) due.push({ name: 'standbyReported', payload: [standby], sent: () => this.forgetStandby(standby) });
    const tiers = this.tiersDue(now);
    if (tiers)
      due.push({
        name: 'tiersReported',
        payload: [tiers.report],
        sent: () => {
          this.tiersAt = now;
          this.tiersTold = tiers.picture;
        },
      });
    return due;
  }

  private beganOf({ id, version, verdict, cause }: StandingEntry, now: number): DegradationBegan {
    const { state } = this.about;
    return {
      id,
      epoch: state.route?.epoch ?? 0,
      version,
      verdict,
      attribution: cause?.attribution ?? 'undetermined',
      reasons: (cause?.reasons ?? []).slice(0, 6),
      suppressed: isSuppressed(state, now),
    };
  }

  private tiersDue(now: number): { report: TiersReported; picture: string } | null {
    const { state } = this.about;
    const { route } = state;
    const tiers = readingsOf(state);
    if (!route || tiers.length === 0) return null;
    const picture = JSON.stringify([
      tiers.map(({ tier, metric, kind }) => [tier, metric, kind]),
      state.unmeasuredSince,
      state.environment,
    ]);
    const age = now - this.tiersAt;
    const changed = picture !== this.tiersTold;
    const every = route.confirming ? TIERS_CONFIRMING_MS : TIERS_EVERY_MS;
    // Measurement that stops or comes back is told at once.
    const urgent = JSON.stringify(state.unmeasuredSince) !== this.unmeasuredTold;
    if (!(age >= every || urgent || (changed && age >= TIERS_SETTLE_MS))) return null;
    const report: TiersReported = {
      epoch: route.epoch,
      version: route.version,
      at: now,
      tiers: tiers.slice(0, 60),
      unmeasuredSince: state.unmeasuredSince,
      environment: state.environment.slice(0, 10),
    };
    return { report, picture };
  }

  private get unmeasuredTold(): string {
    return this.tiersTold === '' ? 'null' : JSON.stringify((JSON.parse(this.tiersTold) as unknown[])[1]);
  }

  /** A cause that changed while the signal was under way is news that was not told. */
  private setTold({ id, cause }: StandingEntry, told: string): void {
    const { standing } = this.about.state;
    this.about.change({
      standing: standing.map((entry) => (entry.id === id && entry.cause === cause ? { ...entry, told } : entry)),
    });
  }

  private forgetEnd(id: string): void {
    this.about.change({ ended: this.about.state.ended.filter((end) => end.id !== id) });
  }

  private forgetObserved(observed: ObservedRoute): void {
    const { serving } = observed;
    if (serving) this.about.change({ servingKnown: { key: serving.key, address: serving.address } });
    if (this.observed === observed) this.observed = null;
  }

  private forgetLive(live: LiveReported): void {
    if (this.live === live) this.live = null;
  }

  private forgetStandby(standby: StandbyReported): void {
    if (this.standby === standby) this.standby = null;
  }

  private async send({ name, payload, sent }: Due): Promise<boolean> {
    try {
      await getExternalWorkflowHandle(serviceWorkflowId(this.service)).signal(signalNames[name], ...payload);
      sent();
      return true;
    } catch (error) {
      log.warn('the service was not told', { signal: name, error: String(error) });
      return false;
    }
  }
}
