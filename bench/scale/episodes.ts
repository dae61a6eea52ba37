import { NotMeasured } from '../report';
import { atOnce } from './histories';
import { LIVE, pause, TRUSTED, type Site } from './site';

const TAKEOVER_LIMIT_MS = 120_000;
/** Each look is a call to Temporal, which has enough to do at that moment. */
const TAKEOVER_SAMPLE = 100;
const SETTLED_LIMIT_MS = 60_000;

/** Times in seconds until each of the sampled services is watched by a worker that was not killed. */
export async function takeover(site: Site): Promise<number[]> {
  const killed = site.pid('controller');
  const everyNth = Math.max(1, Math.floor(site.services.length / TAKEOVER_SAMPLE));
  let waiting = site.services.filter((_, index) => index % everyNth === 0);
  const seconds: number[] = [];
  const began = performance.now();
  process.kill(killed, 'SIGKILL');
  while (waiting.length > 0 && performance.now() - began < TAKEOVER_LIMIT_MS) {
    const left: string[] = [];
    await atOnce(waiting, async (service) => {
      const by = (await site.histories.watch(service))?.watchedBy ?? null;
      if (by === null || by.startsWith(`${killed}@`)) left.push(service);
      else seconds.push((performance.now() - began) / 1_000);
    });
    waiting = left;
    await pause(100);
  }
  // Whoever was not taken over counts with the time at which nobody waited any longer.
  return [...seconds, ...waiting.map(() => TAKEOVER_LIMIT_MS / 1_000)];
}

export interface Killed {
  /** From the kill to the ledger's entry `settled`. */
  readonly settledMs: number;
  /** From the kill to the sending of the last request without a good answer; 0 where there was none. */
  readonly restoredMs: number;
  readonly failed: number;
}

/** The live process of a busy service dies; afterwards the service is as before. */
export async function killLive(site: Site, service: string): Promise<Killed> {
  await site.standbyReady(service);
  const head = (await lastSeq(site, service)) ?? 0;
  const at = await site.killLive(service);
  const settledAt = await settledAfter(site, service, head);
  await pause(1_000);
  const about = (await site.usersSaw())[service];
  const failedAt = (about?.failedAt ?? []).filter((sent) => sent >= at);
  const restoredMs = Math.max(0, ...failedAt.map((sent) => sent - at));
  await putBack(site, service);
  return { settledMs: settledAt - at, restoredMs, failed: failedAt.length };
}

async function settledAfter(site: Site, service: string, head: number): Promise<number> {
  for (const deadline = performance.now() + SETTLED_LIMIT_MS; performance.now() < deadline;) {
    const entries = await site
      .controller(service)
      .ledgerAfter(head)
      .catch(() => []);
    const settled = entries.find(({ kind }) => kind === 'settled');
    if (settled !== undefined) return settled.at;
    await pause(100);
  }
  throw new NotMeasured(`${service}: not settled within ${SETTLED_LIMIT_MS / 1_000} s of its death`);
}

async function lastSeq(site: Site, service: string): Promise<number | null> {
  let seq: number | null = null;
  for (let page = await site.controller(service).ledgerAfter(0); page.length > 0;) {
    seq = page.at(-1)?.seq ?? null;
    page = await site.controller(service).ledgerAfter(seq ?? Infinity);
  }
  return seq;
}

/** The version that was left may be chosen again; what serves now stays. */
async function putBack(site: Site, service: string): Promise<void> {
  await site.until(service, 'the end of the operation', ({ operation }) => operation === null, 120_000);
  const state = await site.state(service);
  const left = state?.declared?.primary === LIVE ? TRUSTED : LIVE;
  const standing = state?.versions.find(({ version }) => version === left)?.standing;
  if (standing === 'quarantined' || standing === 'suspect')
    await site.accepted(service, 'clearQuarantine', { version: left });
}
