import { condition, log, uuid4 } from '@temporalio/workflow';
import type { LedgerEntry } from '../../domain/ledger';
import { control } from '../proxies';
import { inBytes } from '../summary';

/** One activity input stays below 16 KiB (I15). */
const BATCH_BYTES = 14 * 1024;

/** How long the ledger may be silent before a person is told; once for each outage. */
const LEDGER_SILENT_MS = 15_000;

export interface RecorderEvents {
  /** Every entry up to this ledger counter has been dealt with. */
  readonly recorded: (upTo: number) => void;
  /** The ledger has not answered for a while. */
  readonly silent: () => void;
  /** The ledger refuses this entry for good; it is left out. */
  readonly refused: (entry: LedgerEntry, why: string) => void;
}

/**
 * Brings the outbox into the ledger, in order, for ever. What is durable is known by the ledger counter, so that an
 * effect can wait for exactly the decisions before it.
 */
export class Recorder {
  private durableUpTo: number;
  /** Entries that are written one by one, to find the one that the ledger refuses. */
  private singly = 0;

  constructor(
    private readonly outbox: () => readonly LedgerEntry[],
    counterBeforeOutbox: number,
    private readonly tell: RecorderEvents,
  ) {
    this.durableUpTo = counterBeforeOutbox;
  }

  isDurable(upTo: number): boolean {
    return this.durableUpTo >= upTo;
  }

  async untilDurable(upTo: number): Promise<void> {
    await condition(() => this.isDurable(upTo));
  }

  /** True when every entry up to the counter is in the ledger; false when that took longer than `withinMs`. */
  async durable(upTo: number, withinMs: number): Promise<boolean> {
    if (this.isDurable(upTo)) return true;
    return withinMs > 0 && (await condition(() => this.isDurable(upTo), withinMs, { summary: 'the ledger answers' }));
  }

  async run(): Promise<never> {
    for (;;) {
      await condition(() => this.outbox().length > 0);
      const batch = this.nextBatch();
      const last = batch[batch.length - 1];
      if (!last) continue;
      const refusal = await this.write(batch, inBytes(`${last.kind}: ${last.summary}`));
      // Only a permanent failure comes here (another content under the same key, an entry that is too large). It must
      // neither keep every later decision out of the ledger nor take those with it that were sent beside it.
      if (refusal !== null && batch.length > 1) {
        this.singly = batch.length;
        continue;
      }
      if (refusal !== null) await this.writeOnce(last, refusal);
      const upTo = counterOf(last);
      this.tell.recorded(upTo);
      this.durableUpTo = upTo;
    }
  }

  /**
   * A history that was reset counts again from where it was cut, and a key of a lost workflow may still have been written:
   * the decision is another one and gets a key that nobody has. Left out is only what is refused under that as well.
   */
  private async writeOnce(entry: LedgerEntry, refusal: string): Promise<void> {
    const at = entry.key.lastIndexOf('/');
    const key = `${entry.key.slice(0, at)}/again-${uuid4().slice(0, 8)}${entry.key.slice(at)}`;
    const again = await this.write([{ ...entry, key }], inBytes(`${entry.kind} under another key: ${refusal}`));
    if (again !== null) this.tell.refused(entry, again);
  }

  /** Null when the batch is in the ledger, else why it never will be. */
  private async write(batch: LedgerEntry[], summary: string): Promise<string | null> {
    let answered = false;
    const written = control.recordDecisions
      .executeWithOptions({ summary }, [batch])
      .then(
        () => null,
        (error: unknown) => {
          log.warn('the ledger refused decisions', { keys: batch.map(({ key }) => key), error: String(error) });
          return reasonOf(error);
        },
      )
      .finally(() => {
        answered = true;
      });
    if (!(await condition(() => answered, LEDGER_SILENT_MS, { summary: 'the ledger answers' }))) this.tell.silent();
    return await written;
  }

  private nextBatch(): LedgerEntry[] {
    if (this.singly === 0) return firstBatch(this.outbox());
    this.singly -= 1;
    return this.outbox().slice(0, 1);
  }
}

export function counterOf(entry: LedgerEntry): number {
  return Number(entry.key.slice(entry.key.lastIndexOf('/') + 1));
}

function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return String(cause ?? error).slice(0, 400);
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
