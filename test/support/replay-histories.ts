import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporal } from '@temporalio/proto';
import { Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

export interface Told {
  readonly id: string;
  readonly history: temporal.api.history.v1.IHistory;
}

/** Generous: a replay takes tens of milliseconds. */
const REPLAY_MS = 20_000;

/**
 * Replays histories against the workflows of the bundle, one after the other on one worker (I13). A history that does
 * not replay, or whose replay does not end, is named, and kept in a file for whoever looks for the reason.
 */
export async function replayHistories(
  workflowBundle: WorkflowBundleWithSourceMap,
  histories: readonly Told[],
): Promise<void> {
  if (histories.length === 0) return;
  const results = Worker.runReplayHistories(
    { workflowBundle },
    histories.map(({ id, history }) => ({ workflowId: id, history })),
  );
  try {
    for (const told of histories) {
      const result = await within(results.next(), told);
      if (result.done) throw new Error(`the replay ended before ${told.id}`);
      const { error } = result.value;
      if (error) throw new Error(`${kept(told)}: ${error.message}`, { cause: error });
    }
  } finally {
    // Not awaited where it hangs: the failure must be told.
    void results.return?.();
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
