const SLOWER_FACTOR = 4;
const RECOVERS_PER_ANSWER = 0.1;
/** Below this a slower answer is the clock, not the load. */
const NOISE_MS = 25;
/** The fastest answer is forgotten slowly: what was once fast may be slow for another reason than us. */
const FORGETS = 1.002;

/**
 * How many requests may be under way at once: grows with each answer that is as fast as the fastest, halves when answers
 * become slow or the model asks for patience. So the redoing yields to live load, which it shares the model with.
 */
export class Pace {
  private allowed: number;
  private fastestMs = Infinity;
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly max: number) {
    this.allowed = Math.min(2, max);
  }

  get concurrency(): number {
    return Math.max(1, Math.floor(this.allowed));
  }

  /** Runs one call when there is room for it. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    while (this.running >= this.concurrency) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.running += 1;
    const began = performance.now();
    try {
      const answer = await call();
      this.answered(performance.now() - began);
      return answer;
    } catch (error) {
      this.slowDown();
      throw error;
    } finally {
      this.running -= 1;
      for (let room = this.concurrency - this.running; room > 0; room -= 1) this.waiting.shift()?.();
    }
  }

  private answered(ms: number): void {
    this.fastestMs = Math.min(ms, this.fastestMs * FORGETS);
    if (ms > this.fastestMs * SLOWER_FACTOR + NOISE_MS) this.slowDown();
    else this.allowed = Math.min(this.max, this.allowed + RECOVERS_PER_ANSWER);
  }

  private slowDown(): void {
    this.allowed = Math.max(1, this.allowed / 2);
  }
}
