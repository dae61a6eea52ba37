import type { Logger } from 'pino';
import { PartFailed, type Part } from './part';

export interface SupervisorEvents {
  readonly onUp?: (part: string, how: string) => void;
}

const lookEveryMs = 250;
const firstPauseMs = 250;
const longestPauseMs = 30_000;
/** A part that lived this long has come up well: the next death is a new story. */
const settledAfterMs = 60_000;

/** Keeps its parts running, in the order given; decides nothing else. */
export class Supervisor {
  private readonly stopping = new AbortController();
  private loops: Promise<void>[] = [];
  private stopped: Promise<void> | null = null;

  constructor(
    private readonly parts: readonly Part[],
    private readonly log: Logger,
    private readonly events: SupervisorEvents = {},
  ) {}

  /** Brings up one part after the other; when one cannot be had the others stay for the caller to stop. */
  async start(): Promise<void> {
    for (const part of this.parts) {
      if (this.stopping.signal.aborted) throw new PartFailed('stopped before everything was up');
      await this.bringUp(part);
    }
    this.loops = this.parts.map((part) => this.keep(part));
  }

  /** Ends a start that goes on; nothing is started after it. */
  giveUp(): void {
    this.stopping.abort();
  }

  /** Ends the parts in the opposite order of their start. */
  stop(): Promise<void> {
    this.stopping.abort();
    this.stopped ??= (async () => {
      await Promise.all(this.loops);
      for (const part of [...this.parts].reverse()) await part.stop();
    })();
    return this.stopped;
  }

  /** Lets go of the parts without ending them: the next supervisor adopts them. */
  async release(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops);
  }

  private async bringUp(part: Part): Promise<void> {
    const began = performance.now();
    const how = await part.ensure(this.stopping.signal);
    this.events.onUp?.(part.name, how);
    this.log.info({ part: part.name, how, ms: Math.round(performance.now() - began) }, 'part is up');
  }

  private async keep(part: Part): Promise<void> {
    let upSince = performance.now();
    let pauseMs = firstPauseMs;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await pause(lookEveryMs, signal);
      if (signal.aborted || (await part.isAlive())) continue;
      if (performance.now() - upSince > settledAfterMs) pauseMs = firstPauseMs;
      this.log.warn({ part: part.name, pauseMs }, 'part ended, starting it again');
      await pause(pauseMs, signal);
      if (signal.aborted) return;
      pauseMs = Math.min(longestPauseMs, pauseMs * 2);
      try {
        await this.bringUp(part);
        upSince = performance.now();
      } catch (error) {
        this.log.error({ part: part.name, err: error }, 'part does not come up');
      }
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
