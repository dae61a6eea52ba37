import type { LedgerPage, ServiceView } from '../api/types';
import type { ConsoleApi } from './api';
import { ApiRefusal } from './api';
import { readEvents, type ServerEvent } from './event-lines';

type Entry = LedgerPage['entries'][number];

export interface Listener {
  status(view: ServiceView): void;
  entry(entry: Entry): void;
  /** How the page hears of changes now; null where all is well. */
  connection(words: string | null): void;
  /** The proof is not accepted any more. */
  refused(why: string): void;
}

const RETRY_MS = [500, 1_000, 2_000, 5_000] as const;
const ASK_EVERY_MS = 3_000;
/** The controller gives a sign of life each 15 s. */
const SILENCE_MS = 40_000;

/** Follows one service until `signal` aborts; never rejects. Where no events can be had it asks now and then. */
export async function follow(api: ConsoleApi, service: string, listener: Listener, signal: AbortSignal): Promise<void> {
  let lastId: string | null = null;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const stream = new AbortController();
      const leave = (): void => stream.abort();
      signal.addEventListener('abort', leave, { once: true });
      let silence = setTimeout(leave, SILENCE_MS);
      try {
        const body = await api.events(service, lastId, stream.signal);
        for await (const event of readEvents(body)) {
          clearTimeout(silence);
          silence = setTimeout(leave, SILENCE_MS);
          if (event === null) continue;
          if (failures > 0 || event.name === 'status') listener.connection(null);
          failures = 0;
          if (event.id !== null) lastId = event.id;
          tell(listener, event);
        }
      } finally {
        clearTimeout(silence);
        signal.removeEventListener('abort', leave);
        leave();
      }
    } catch (error) {
      if (signal.aborted) return;
      const refusal = error instanceof ApiRefusal ? error : null;
      if (refusal?.status === 401 || refusal?.status === 403) return listener.refused(refusal.what);
      // What the ledger ended at is no more: another ledger, read anew.
      if (refusal?.status === 400) lastId = null;
      if (refusal?.status === 429) await askOnce(api, service, listener);
      else if (failures > 0) listener.connection(lostWords(error));
    }
    await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? ASK_EVERY_MS, signal);
    failures += 1;
  }
}

async function askOnce(api: ConsoleApi, service: string, listener: Listener): Promise<void> {
  try {
    listener.status(await api.service(service));
    listener.connection('too many listen already: this page asks every few seconds');
  } catch (error) {
    listener.connection(lostWords(error));
  }
}

/** A fault of the page is no fault of the connection. */
function tell(listener: Listener, { name, data }: ServerEvent): void {
  try {
    if (name === 'status') listener.status(JSON.parse(data) as ServiceView);
    if (name === 'entry') listener.entry(JSON.parse(data) as Entry);
  } catch (error) {
    reportError(error);
  }
}

function lostWords(error: unknown): string {
  const why = error instanceof ApiRefusal ? error.what : (error as Error).message;
  return `What you see is old: ${why}. It is tried again.`;
}

/** Shorter when the reader comes back to the page. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      document.removeEventListener('visibilitychange', seen);
      resolve();
    };
    const seen = (): void => {
      if (document.visibilityState === 'visible') done();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    document.addEventListener('visibilitychange', seen);
    if (signal.aborted) done();
  });
}
