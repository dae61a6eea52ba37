import type { Logger } from 'pino';
import type { Alerts } from '../../activities/ports';
import type { Alert } from '../../domain/alert';

export interface WatchdogOptions {
  readonly services: readonly string[];
  readonly alerts: Alerts;
  readonly log: Logger;
  /** Null: whoever decides can decide. Otherwise what does not answer. */
  readonly look: () => Promise<string | null>;
  /** Writes the gap to the ledger through the controller; rejects while that cannot be done. */
  readonly record: (gap: { fromMs: number; toMs: number; why: string }) => Promise<void>;
  /** Silence that becomes an alert. Default 10 s, so that with the look's own limit it is out within 15 s. */
  readonly afterMs?: number;
  readonly everyMs?: number;
  readonly now?: () => number;
}

interface Blindness {
  readonly since: number;
  why: string;
  alerted: boolean;
}

/**
 * Watches from outside Temporal whether anybody can decide. Alerts once for each time of blindness, and once when it is
 * over; the gap goes into the ledger as soon as the controller can write again.
 */
export class Watchdog {
  private blind: Blindness | null = null;
  private gaps: { fromMs: number; toMs: number; why: string }[] = [];
  private lastSeen: number;
  private readonly now: () => number;

  constructor(private readonly options: WatchdogOptions) {
    this.now = options.now ?? Date.now;
    this.lastSeen = this.now();
  }

  get blindSince(): number | null {
    return this.blind?.alerted === true ? this.blind.since : null;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.turn();
      await new Promise((resolve) => setTimeout(resolve, this.options.everyMs ?? 1_000));
    }
  }

  /** One look. Never rejects. */
  async turn(): Promise<void> {
    const why = await this.options.look().catch((error: unknown) => String(error));
    if (why === null) await this.sees();
    else await this.seesNothing(why);
  }

  private async seesNothing(why: string): Promise<void> {
    this.blind ??= { since: this.lastSeen, why, alerted: false };
    this.blind.why = why;
    if (this.blind.alerted || this.now() - this.blind.since < (this.options.afterMs ?? 10_000)) return;
    this.blind.alerted = true;
    this.options.log.error({ since: this.blind.since, why }, 'blind');
    await this.sendAll((service) => blindAlert(service, this.blind as Blindness));
  }

  private async sees(): Promise<void> {
    const { blind } = this;
    this.lastSeen = this.now();
    if (blind !== null) {
      this.blind = null;
      if (blind.alerted) {
        this.gaps.push({ fromMs: blind.since, toMs: this.now(), why: blind.why });
        await this.sendAll((service) => seesAgainAlert(service, blind, this.now()));
      }
    }
    await this.writeGaps();
  }

  private async writeGaps(): Promise<void> {
    for (let gap = this.gaps[0]; gap !== undefined; gap = this.gaps[0]) {
      try {
        await this.options.record(gap);
        this.gaps.shift();
      } catch (error) {
        this.options.log.warn({ err: error }, 'the gap is not in the ledger yet');
        return;
      }
    }
  }

  private async sendAll(make: (service: string) => Alert): Promise<void> {
    for (const service of this.options.services) {
      const { failed } = await this.options.alerts.send(make(service));
      for (const { sink, why } of failed) this.options.log.error({ sink, why }, 'alert not delivered');
    }
  }
}

function blindAlert(service: string, { since, why }: Blindness): Alert {
  return {
    key: `blind/${service}/${since}`,
    service,
    incident: null,
    severity: 'page',
    at: since,
    title: `${service}: nobody decides, blind since ${new Date(since).toISOString()}`,
    wrong: why,
    did: 'the supervisor starts again what ended; no rollback can begin meanwhile',
    users: 'served by the version that the router has, with its fallback where one is declared',
    must: 'look at the processes and their logs in the data directory; a bad version must be replaced by hand now',
    command: 'lastgood doctor',
    link: null,
  };
}

function seesAgainAlert(service: string, { since, why }: Blindness, at: number): Alert {
  const seconds = Math.round((at - since) / 1000);
  return {
    key: `blind/${service}/${since}/over`,
    service,
    incident: null,
    severity: 'info',
    at,
    title: `${service}: decided on again after ${seconds} s`,
    wrong: `nobody decided from ${new Date(since).toISOString()} for ${seconds} s: ${why}`,
    did: 'what was measured in that time is read and judged now',
    users: 'were served by the version that the router had',
    must: 'nothing now',
    command: `lastgood status ${service}`,
    link: null,
  };
}
