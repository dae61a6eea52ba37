import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Ledger } from '../../activities/ports';
import type { ChainedEntry } from '../../domain/ledger';
import { AlertUndelivered } from '../alerts/sink';
import { readTextIfThere, writeFileAtomic } from '../disk/atomic-file';
import type { WebhookCaller } from './webhook-caller';

/** What the ledger tells of; `confirm-rollback` is a question and not among them. */
export type ToldEvent = 'pre-rollback' | 'post-rollback' | 'deploy-refused' | 'event';

const kinds: Readonly<Record<Exclude<ToldEvent, 'event'>, readonly ChainedEntry['kind'][]>> = {
  'pre-rollback': ['rollback-decided'],
  'post-rollback': ['settled', 'waiting-for-human'],
  'deploy-refused': ['deploy-refused'],
};

const pageEntries = 100;

export interface LedgerTailOptions {
  readonly service: string;
  readonly webhook: string;
  readonly events: readonly ToldEvent[];
  readonly caller: Pick<WebhookCaller, 'tell'>;
  readonly ledger: Pick<Ledger, 'read' | 'head'>;
  /** Keeps the last entry that was told. */
  readonly cursorFile: string;
  readonly everyMs: number;
  /** What is older when its turn comes is not told any more. */
  readonly maxAgeMs: number;
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** `why` null: it was taken. */
  readonly onOutcome: (event: ToldEvent, seq: number, why: string | null) => void;
  /** The ledger or the file of the cursor is away; once for each reason. */
  readonly onTrouble?: (why: string) => void;
}

/**
 * Tells one webhook what stands in the ledger of a service, in order, each at least once: the ledger itself is the queue, and only
 * the place in it is kept here. A receiver that is down holds up what follows for itself alone, at most until it is too old.
 */
export async function followLedger(options: LedgerTailOptions, signal: AbortSignal): Promise<void> {
  const { service, ledger, everyMs } = options;
  let cursor: number | null = null;
  let opened = false;
  let trouble = '';
  while (!signal.aborted) {
    // A ledger or a disk that is away is tried again; what the ledger has is not lost.
    const full = await step().catch((error: unknown) => {
      const why = (error as Error).message;
      if (why !== trouble) options.onTrouble?.(why);
      trouble = why;
      return false;
    });
    if (!full) await pause(everyMs, undefined, { signal }).catch(() => undefined);
  }

  async function step(): Promise<boolean> {
    if (!opened) {
      await mkdir(dirname(options.cursorFile), { recursive: true, mode: 0o700 });
      cursor = await readCursor(options.cursorFile);
      opened = true;
    }
    const next = await look(cursor, options, signal);
    cursor = next.cursor;
    trouble = '';
    return next.full;
  }

  async function look(
    from: number | null,
    tail: LedgerTailOptions,
    until: AbortSignal,
  ): Promise<{ cursor: number | null; full: boolean }> {
    const head = (await ledger.head(service))?.seq ?? 0;
    // A new webhook is not told the past; a ledger that ends before the cursor is another one.
    const begin = from === null || from > head ? head : from;
    if (begin !== from) await keepCursor(tail.cursorFile, begin);
    if (begin === head) return { cursor: begin, full: false };
    const entries = await ledger.read(service, { afterSeq: begin, limit: pageEntries });
    let done = begin;
    for (const entry of entries) {
      for (const event of eventsOf(entry, tail.events)) if (!(await tell(event, entry, tail, until))) break;
      if (until.aborted) break;
      done = entry.seq;
      cursor = done;
      if (eventsOf(entry, tail.events).length > 0) await keepCursor(tail.cursorFile, done);
    }
    if (done !== begin) await keepCursor(tail.cursorFile, done);
    return { cursor: done, full: entries.length === pageEntries };
  }
}

/**
 * Where nothing was told yet, telling begins with what comes after now. For a controller that does not lead: taking over, it
 * tells again what the other one may not have told, under the same ids.
 */
export async function beginCursor({
  service,
  ledger,
  cursorFile,
}: Pick<LedgerTailOptions, 'service' | 'ledger' | 'cursorFile'>): Promise<void> {
  await mkdir(dirname(cursorFile), { recursive: true, mode: 0o700 });
  if ((await readCursor(cursorFile)) !== null) return;
  await keepCursor(cursorFile, (await ledger.head(service))?.seq ?? 0);
}

export function eventsOf(
  { kind, summary }: Pick<ChainedEntry, 'kind' | 'summary'>,
  wanted: readonly ToldEvent[],
): ToldEvent[] {
  return wanted.filter((event) => {
    if (event === 'event' || kinds[event].includes(kind)) return true;
    // An act that was refused before it began is told by its words alone.
    return event === 'deploy-refused' && kind === 'refused' && summary.startsWith('deploy by ');
  });
}

/** False: the process ends. What cannot be told (refused for good, too old) is given up with a word, and the next follows. */
async function tell(
  event: ToldEvent,
  entry: ChainedEntry,
  { service, webhook, caller, maxAgeMs, backoffMs, backoffMaxMs, onOutcome }: LedgerTailOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const id = messageId(service, webhook, event, String(entry.seq));
  const timestamp = new Date(entry.at).toISOString();
  const message = { id, body: JSON.stringify({ type: `lastgood.${event}`, timestamp, data: entry }) };
  let why = 'it was never reached';
  for (let made = 0; !signal.aborted; made++) {
    if (Date.now() - entry.at > maxAgeMs) {
      onOutcome(event, entry.seq, `given up, it is too old: ${why}`);
      return true;
    }
    try {
      await caller.tell(message, signal);
      onOutcome(event, entry.seq, null);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      why = (error as Error).message;
      if (error instanceof AlertUndelivered && error.final) {
        onOutcome(event, entry.seq, `given up: ${why}`);
        return true;
      }
      if (made === 0) onOutcome(event, entry.seq, `tried again: ${why}`);
    }
    await pause(Math.min(backoffMaxMs, backoffMs * 2 ** Math.min(made, 20)), undefined, { signal }).catch(
      () => undefined,
    );
  }
  return false;
}

/** The same for each attempt, of each process. */
export function messageId(...parts: readonly string[]): string {
  return `msg_${createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 40)}`;
}

/** Null: there is none, or it cannot be read as one. */
async function readCursor(file: string): Promise<number | null> {
  const text = await readTextIfThere(file, 1_000);
  return text !== null && /^\d{1,15}\n?$/.test(text) ? Number(text) : null;
}

async function keepCursor(file: string, seq: number): Promise<void> {
  await writeFileAtomic(file, `${seq}\n`);
}
