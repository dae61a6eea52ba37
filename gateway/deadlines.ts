/** One request that waits for its first byte. Times on the monotonic clock, ms. */
export interface Waiting {
  readonly startedAt: number;
  /** No first byte within `firstByteMs`; the request goes on. */
  onFirstByteLate(): void;
  /** Not answered within `requestMaxMs`. */
  onRequestTooLong(): void;
}

const SWEEP_MS = 20;

/**
 * The two time limits of all waiting requests of one service with one timer instead of two for each request. Works
 * because every request of a service has the same limits and they enter in the order of their start.
 */
export class Deadlines {
  private readonly waiting = new Set<Waiting>();
  private readonly late = new Set<Waiting>();
  /** Runs while somebody waits: of a thousand services most have nobody. */
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly firstByteMs: number,
    private readonly requestMaxMs: number,
  ) {}

  add(request: Waiting): void {
    this.waiting.add(request);
    this.timer ??= setInterval(() => this.turn(), SWEEP_MS).unref();
  }

  remove(request: Waiting): void {
    if (!this.waiting.delete(request)) this.late.delete(request);
  }

  sweep(now: number): void {
    for (const request of this.waiting) {
      if (now - request.startedAt < this.firstByteMs) break;
      this.waiting.delete(request);
      this.late.add(request);
      request.onFirstByteLate();
    }
    for (const request of this.late) {
      if (now - request.startedAt < this.requestMaxMs) break;
      this.late.delete(request);
      request.onRequestTooLong();
    }
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private turn(): void {
    this.sweep(performance.now());
    if (this.waiting.size === 0 && this.late.size === 0) this.stop();
  }
}
