import { condition, log } from '@temporalio/workflow';
import type { LedgerEntry } from '../../domain/ledger';
import { control } from '../proxies';

/** One activity input stays below 16 KiB (I15). */
const BATCH_BYTES = 14 * 1024;

/**
 * Brings the outbox into the ledger, in order, for ever. What is durable is known by the ledger counter, so that an
 * effect can wait for exactly the decisions before it.
 */
export class Recorder {
  private durableUpTo: number;

  constructor(
    private readonly outbox: () => readonly LedgerEntry[],
    counterBeforeOutbox: number,
    private readonly onRecorded: (upTo: number) => void,
  ) {
    this.durableUpTo = counterBeforeOutbox;
  }

  /** True when every entry up to the counter is in the ledger; false when that took longer than `withinMs`. */
  async durable(upTo: number, withinMs: number): Promise<boolean> {
    return await condition(() => this.durableUpTo >= upTo, withinMs);
  }

  async run(): Promise<never> {
    for (;;) {
      await condition(() => this.outbox().length > 0);
      const batch = firstBatch(this.outbox());
      const last = batch[batch.length - 1];
      if (!last) continue;
      try {
        await control.recordDecisions.executeWithOptions({ summary: `${last.kind}: ${last.summary}`.slice(0, 200) }, [
          batch,
        ]);
      } catch (error) {
        // Only a permanent failure comes here (another content under the same key, an entry that is too large): it must
        // not keep every later decision out of the ledger.
        log.error('the ledger refused decisions', { keys: batch.map(({ key }) => key), error: String(error) });
      }
      const upTo = counterOf(last);
      this.onRecorded(upTo);
      this.durableUpTo = upTo;
    }
  }
}

export function counterOf(entry: LedgerEntry): number {
  return Number(entry.key.slice(entry.key.lastIndexOf('/') + 1));
}

function firstBatch(entries: readonly LedgerEntry[]): LedgerEntry[] {
  const batch: LedgerEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    bytes += JSON.stringify(entry).length;
    if (batch.length > 0 && bytes > BATCH_BYTES) break;
    batch.push(entry);
  }
  return batch;
}
