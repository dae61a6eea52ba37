import type { Alert, Alerts } from '../../activities/ports';
import { AlertMemory } from './memory';
import type { AlertSink, OpenIncident } from './sink';

export interface FanOutOptions {
  readonly sinks: readonly AlertSink[];
  /** After this a sink counts as failed for the alert. Default 20 s: below the activity's own limit. */
  readonly sinkLimitMs?: number;
  /** Once one sink has the alert, how long the others are waited for; they go on until their limit. Default 2 s. */
  readonly othersWaitMs?: number;
  /** How long a key that a sink has shown is not shown there again. Default one day. */
  readonly shownForMs?: number;
  /** Keys remembered for each sink; the oldest go first. Default 10,000. */
  readonly rememberedKeys?: number;
  /** What was shown before this process began. Default: nothing. */
  readonly memory?: AlertMemory;
  /** How a delivery ended, once for each; a showing that was spared is none. */
  readonly onOutcome?: (sink: string, why: string | null) => void;
  readonly now?: () => number;
}

export interface FannedAlerts extends Alerts {
  /** Tells the sinks that keep a state of their own which incident is open. Not awaited by anybody; never throws. */
  follow(service: string, open: OpenIncident | null): void;
}

/**
 * Sends to every sink at once. Resolves when each has delivered, failed or reached its limit, and soon after the first that
 * has it: one that hangs holds up neither the others nor the next alert. Never rejects. A sink that has shown the key before
 * counts as delivered without a second showing, so a repeated activity is harmless.
 */
export function fanOutAlerts(options: FanOutOptions): FannedAlerts {
  const memory = options.memory ?? new AlertMemory({ file: null, ...optionalNow(options), ...limitOf(options) });
  const channels = options.sinks.map((sink) => new Channel(sink, memory, options));
  const names = new Set(channels.map((channel) => channel.sink.name));
  if (names.size !== channels.length) throw new RangeError('two alert sinks have the same name');
  return {
    async send(alert) {
      const taking = channels.filter(({ sink }) => sink.takes?.(alert) ?? true);
      const othersWaitMs = options.othersWaitMs ?? 2_000;
      const enough = new Latch(othersWaitMs);
      const outcomes = await Promise.all(
        taking.map(async (channel) => {
          const ended = channel.send(alert);
          void ended.then((why) => why === null && enough.begin());

          const later = enough.passed.then(() => `no answer within ${othersWaitMs} ms; it is still tried`);
          return { sink: channel.sink.name, why: await Promise.race([ended, later]) };
        }),
      );
      enough.end();
      return {
        delivered: outcomes.filter((outcome) => outcome.why === null).map((outcome) => outcome.sink),
        failed: outcomes.flatMap(({ sink, why }) => (why === null ? [] : [{ sink, why }])),
      };
    },
    follow(service, open) {
      for (const channel of channels) channel.follow(service, open);
    },
  };
}

/** Passes `ms` after it has begun. */
class Latch {
  private timer: NodeJS.Timeout | undefined;
  private pass = (): void => {};
  readonly passed = new Promise<void>((resolve) => (this.pass = resolve));

  constructor(private readonly ms: number) {}

  begin(): void {
    this.timer ??= setTimeout(() => this.pass(), this.ms);
  }

  end(): void {
    clearTimeout(this.timer);
  }
}

/** One sink with what it has shown and what is on its way. */
class Channel {
  private readonly underWay = new Map<string, Promise<void>>();
  private readonly following = new Set<string>();

  constructor(
    readonly sink: AlertSink,
    private readonly memory: AlertMemory,
    private readonly options: FanOutOptions,
  ) {}

  /** Null: it stands there. Otherwise why not. */
  async send(alert: Alert): Promise<string | null> {
    const shownAt = this.memory.get(this.sink.name, shown(alert))?.at;
    if (shownAt !== undefined && this.now() - shownAt < (this.options.shownForMs ?? 86_400_000)) return null;
    // The same alert is on its way already, perhaps from an attempt whose caller is gone: wait for that one.
    const delivery = this.underWay.get(alert.key) ?? this.begin(alert);
    return await this.limited(delivery);
  }

  /** One call at a time for a service; the next look brings what was missed. */
  follow(service: string, open: OpenIncident | null): void {
    const { sink } = this;
    if (sink.follow === undefined || this.following.has(service)) return;
    this.following.add(service);
    const told = (async () => sink.follow?.(service, open, AbortSignal.timeout(this.limitMs)))();
    void this.limited(told).finally(() => this.following.delete(service));
  }

  /** Null: it ended well within the limit. */
  private async limited(work: Promise<void>): Promise<string | null> {
    const { limitMs } = this;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`no answer within ${limitMs} ms`), limitMs);
    });
    const outcome = work.then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    try {
      return await Promise.race([outcome, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private begin(alert: Alert): Promise<void> {
    const { limitMs } = this;
    // An async wrapper, so that a sink that throws at once is a failure of that sink and not of all.
    const delivery = (async () => {
      await this.sink.deliver(alert, AbortSignal.timeout(limitMs));
      // Also after the limit: a late showing is a showing. On disk before it counts, so that a death here repeats it at most once.
      await this.memory.note(this.sink.name, shown(alert), 'shown');
    })();
    this.underWay.set(alert.key, delivery);
    const forget = setTimeout(() => this.leave(alert.key, delivery), limitMs).unref();
    delivery
      .catch(() => {})
      .finally(() => {
        clearTimeout(forget);
        this.leave(alert.key, delivery);
      });
    void this.limited(delivery).then((why) => this.options.onOutcome?.(this.sink.name, why));
    return delivery;
  }

  /** A sink that ignores its signal must not block the key for ever: the next attempt begins anew. */
  private leave(key: string, delivery: Promise<void>): void {
    if (this.underWay.get(key) === delivery) this.underWay.delete(key);
  }

  private get limitMs(): number {
    return this.options.sinkLimitMs ?? 20_000;
  }

  private now(): number {
    return this.options.now?.() ?? Date.now();
  }
}

function shown({ key }: Alert): string {
  return `shown/${key}`;
}

function optionalNow({ now }: FanOutOptions): { now?: () => number } {
  return now === undefined ? {} : { now };
}

function limitOf({ rememberedKeys }: FanOutOptions): { limit?: number } {
  return rememberedKeys === undefined ? {} : { limit: rememberedKeys };
}
