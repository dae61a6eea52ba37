/**
 * A model that answers a fixed number of requests at a time, each in a fixed time; the others wait. What it answers says
 * which version it was.
 */
export class Model {
  version = '1.2';
  private busy = 0;
  private readonly waiting: (() => void)[] = [];
  /** Times of its answers, ms. */
  private times: number[] = [];

  constructor(
    private readonly parallel: number,
    private readonly serviceMs: number,
  ) {}

  get perSecond(): number {
    return (this.parallel * 1_000) / this.serviceMs;
  }

  /** Of a session that is pinned: its version. */
  async ask(pinned?: string): Promise<{ readonly version: string; readonly answer: string }> {
    const began = performance.now();
    const version = pinned ?? this.version;
    if (this.busy >= this.parallel) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.busy += 1;
    await new Promise((resolve) => setTimeout(resolve, this.serviceMs));
    const next = this.waiting.shift();
    if (next) next();
    else this.busy -= 1;
    this.times.push(performance.now() - began);
    return { version, answer: version };
  }

  /** Since the last time that it was asked. */
  takeTimes(): number[] {
    const { times } = this;
    this.times = [];
    return times;
  }
}
