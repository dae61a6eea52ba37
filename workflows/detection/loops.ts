import { CancellationScope, condition, isCancellation, log, sleep } from '@temporalio/workflow';

const AFTER_FAULT_MS = 5_000;

/** What a change of the route may cancel. */
export type Cancellable = 'watch' | 'guard' | 'serving' | 'live';

/** The loops of one run: each repeats its turn until the end; a fault in one turn is logged and never ends its loop. */
export class Loops {
  private readonly all = new CancellationScope();
  private readonly scopes = new Map<Cancellable, CancellationScope>();
  private ending = false;
  private running = 0;

  get stopping(): boolean {
    return this.ending;
  }

  async start(turns: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
    await this.all.run(async () => {
      for (const [name, turn] of Object.entries(turns)) this.begin(name, turn);
    });
  }

  /** Ends every loop where it stands; resolves when none runs any more. */
  async stop(): Promise<void> {
    this.ending = true;
    this.all.cancel();
    await condition(() => this.running === 0);
  }

  cancel(name: Cancellable): void {
    this.scopes.get(name)?.cancel();
  }

  /** Null when a change of the route cancelled it. */
  async cancellable<T>(name: Cancellable, run: () => Promise<T>): Promise<T | null> {
    const scope = new CancellationScope();
    this.scopes.set(name, scope);
    try {
      return await scope.run(run);
    } catch (error) {
      if (isCancellation(error) && !this.ending) return null;
      throw error;
    } finally {
      this.scopes.delete(name);
    }
  }

  private begin(name: string, turn: () => Promise<void>): void {
    this.running += 1;
    void this.repeat(name, turn)
      .catch(() => undefined)
      .finally(() => {
        this.running -= 1;
      });
  }

  private async repeat(name: string, turn: () => Promise<void>): Promise<void> {
    while (!this.ending) {
      try {
        await turn();
      } catch (error) {
        // In a cancelled scope every wait fails at once: another turn would spin until the worker ends the task, for ever.
        if (this.ending || this.all.consideredCancelled) return;
        if (isCancellation(error)) continue;
        log.warn('a turn of detection failed', { loop: name, error: String(error) });
        await sleep(AFTER_FAULT_MS, { summary: `${name} failed, once more` });
      }
    }
  }
}
