import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import type { WorkflowBundle } from './workflow-bundle';

export interface Told {
  readonly id: string;
  readonly history: temporal.api.history.v1.IHistory;
}

/** Generous: a replay takes tens of milliseconds. */
const REPLAY_MS = 20_000;

const replayers = new Map<string, Replayer>();
// A worker costs more than what it replays, so a test file has one for each bundle.
afterAll(async () => {
  await Promise.all([...replayers.values()].map((replayer) => replayer.close()));
  replayers.clear();
});

/**
 * Replays histories against the workflows of the bundle, one after the other on one worker (I13). A history that does
 * not replay, or whose replay does not end, is named, and kept in a file for whoever looks for the reason.
 */
export async function replayHistories({ code }: WorkflowBundle, histories: readonly Told[]): Promise<void> {
  for (const told of histories) {
    const replayer = replayers.get(code) ?? new Replayer(code);
    replayers.set(code, replayer);
    const refusal = await within(replayer.replay(told), told).catch((error: unknown) => {
      // Whatever it hangs on, the next history is not to wait behind it.
      replayers.delete(code);
      void replayer.close();
      throw error;
    });
    if (refusal) throw new Error(`${kept(told)}: ${refusal.message}`, { cause: refusal });
  }
}

/** A worker that replays what it is given as long as the test file runs. */
class Replayer {
  private readonly waiting: Told[] = [];
  private wake = (): void => undefined;
  private closed = false;
  private readonly results: ReturnType<typeof Worker.runReplayHistories>;
  private last: Promise<unknown> = Promise.resolve();

  constructor(code: string) {
    this.results = Worker.runReplayHistories({ workflowBundle: { code } }, this.given());
  }

  /** Resolves to why the history does not replay, or to null. */
  async replay(told: Told): Promise<Error | null> {
    // The results come in the order of the histories.
    const result = this.last.then(() => {
      this.waiting.push(told);
      this.wake();
      return this.results.next();
    });
    this.last = result.catch(() => undefined);
    const { done, value } = await result;
    if (done) throw new Error(`the replay ended before ${told.id}`);
    return value.error ?? null;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.wake();
    await this.results.return?.(undefined);
  }

  private async *given(): AsyncGenerator<{ workflowId: string; history: Told['history'] }> {
    for (;;) {
      const told = this.waiting.shift();
      if (told) yield { workflowId: told.id, history: told.history };
      else if (this.closed) return;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

async function within<T>(work: Promise<T>, told: Told): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${kept(told)}: the replay did not end in ${REPLAY_MS} ms`)), REPLAY_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function kept({ id, history }: Told): string {
  const file = join(mkdtempSync(join(tmpdir(), 'lastgood-history-')), 'history.json');
  const bytes = temporal.api.history.v1.History.encode(history).finish();
  writeFileSync(file, JSON.stringify({ id, history: Buffer.from(bytes).toString('base64') }));
  return `${id} (${history.events?.length ?? 0} events, kept in ${file})`;
}
