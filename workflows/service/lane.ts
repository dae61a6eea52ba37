/** Work done one after the other, in the order in which it came; a fault ends one piece of it, never the lane. */
export class Lane<T> {
  private readonly queue: T[] = [];
  private working = false;

  constructor(
    private readonly perform: (next: T) => Promise<void>,
    private readonly failed: (next: T, error: unknown) => void,
  ) {}

  get idle(): boolean {
    return !this.working && this.queue.length === 0;
  }

  push(next: T): void {
    this.queue.push(next);
    if (!this.working) void this.work();
  }

  private async work(): Promise<void> {
    this.working = true;
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      try {
        await this.perform(next);
      } catch (error) {
        this.failed(next, error);
      }
    }
    this.working = false;
  }
}
