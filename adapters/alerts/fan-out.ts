import type { Alert, Alerts } from '../../activities/ports';
import type { AlertSink } from './sink';

export interface FanOutOptions {
  readonly sinks: readonly AlertSink[];
  /** After this a sink counts as failed for the alert. Default 20 s: below the activity's own limit. */
  readonly sinkLimitMs?: number;
  /** How long a key that a sink has shown is not shown there again. Default one day. */
  readonly shownForMs?: number;
  /** Keys remembered for each sink; the oldest go first. Default 10,000. */
  readonly rememberedKeys?: number;
  readonly now?: () => number;
}

/**
 * Sends to every sink at once. Resolves when each has delivered, failed or reached its limit; never rejects. A sink that
 * has shown the key before counts as delivered without a second showing, so a repeated activity is harmless.
 */
export function fanOutAlerts(options: FanOutOptions): Alerts {
  const channels = options.sinks.map((sink) => new Channel(sink, options));
  const names = new Set(channels.map((channel) => channel.sink.name));
  if (names.size !== channels.length) throw new RangeError('two alert sinks have the same name');
  return {
    async send(alert) {
      const outcomes = await Promise.all(
        channels.map(async (channel) => ({ sink: channel.sink.name, why: await channel.send(alert) })),
      );
      return {
        delivered: outcomes.filter((outcome) => outcome.why === null).map((outcome) => outcome.sink),
        failed: outcomes.flatMap(({ sink, why }) => (why === null ? [] : [{ sink, why }])),
      };
    },
  };
}

/** One sink with its memory of what it has shown and what is on its way. */
class Channel {
  private readonly shown = new Map<string, number>();
  private readonly underWay = new Map<string, Promise<void>>();

  constructor(
    readonly sink: AlertSink,
    private readonly options: FanOutOptions,
  ) {}

  /** Null: it stands there. Otherwise why not. */
  async send(alert: Alert): Promise<string | null> {
    const shownAt = this.shown.get(alert.key);
    if (shownAt !== undefined && this.now() - shownAt < (this.options.shownForMs ?? 86_400_000)) return null;
    // The same alert is on its way already, perhaps from an attempt whose caller is gone: wait for that one.
    const delivery = this.underWay.get(alert.key) ?? this.begin(alert);
    const limitMs = this.options.sinkLimitMs ?? 20_000;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`no answer within ${limitMs} ms`), limitMs);
    });
    const outcome = delivery.then(
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
    const limitMs = this.options.sinkLimitMs ?? 20_000;
    // An async wrapper, so that a sink that throws at once is a failure of that sink and not of all.
    const delivery = (async () => this.sink.deliver(alert, AbortSignal.timeout(limitMs)))();
    this.underWay.set(alert.key, delivery);
    const forget = setTimeout(() => this.leave(alert.key, delivery), limitMs).unref();
    delivery
      .then(
        // Also after the limit: a late showing is a showing.
        () => this.remember(alert.key),
        () => {},
      )
      .finally(() => {
        clearTimeout(forget);
        this.leave(alert.key, delivery);
      });
    return delivery;
  }

  /** A sink that ignores its signal must not block the key for ever: the next attempt begins anew. */
  private leave(key: string, delivery: Promise<void>): void {
    if (this.underWay.get(key) === delivery) this.underWay.delete(key);
  }

  private remember(key: string): void {
    this.shown.delete(key);
    this.shown.set(key, this.now());
    const limit = this.options.rememberedKeys ?? 10_000;
    for (const oldest of this.shown.keys()) {
      if (this.shown.size <= limit) break;
      this.shown.delete(oldest);
    }
  }

  private now(): number {
    return this.options.now?.() ?? Date.now();
  }
}
