import type { SampledInputs } from '../environment/sampled-inputs';
import type { Telemetry } from '../../activities/ports';
import type { CountsRow, EventRow, TelemetryRow } from '../../gateway/protocol';
import type { HaproxyRouterOptions } from '../traffic/haproxy/options';
import { mapFile } from '../traffic/haproxy/layout';
import type { MapView } from '../traffic/haproxy/map-entries';
import { openMasterCli } from '../traffic/haproxy/master-cli';
import { ofEach, viewOf } from '../traffic/haproxy/running';
import { sequenceAt } from '../traffic/haproxy/sequence';
import { readStoredRoute, type StoredRoute } from '../traffic/haproxy/stored-route';
import { TelemetryUnreachable } from './gateway';
import { countsRow, difference, none, repeatsOf, sum, totalsOf, withoutRepeats, type Totals } from './haproxy-counts';

export interface HaproxyTelemetryOptions extends HaproxyRouterOptions {
  /** Between two looks at HAProxy's counters; default 250 ms. */
  readonly everyMs?: number;
  /** Who keeps the answer record that HAProxy sends; without, no answer is known. */
  readonly answers?: Pick<Telemetry, 'answer' | 'answersAt'>;
}

const nobodyKeeps = 'nobody keeps the answer record of HAProxy here';
const rowMs = 1_000;
const graceMs = 1_500;
const keptMs = 2 * 3_600_000;

/**
 * What HAProxy's own counters say: requests, failures by status, repetitions, by version, and when it went to the fallback.
 * They are looked at from the first question on and kept in memory for two hours: what was before, and while no controller
 * ran, and what a worker answered between the last look and its end after a reload, is not measured. Latencies, classes, and labels are never known here; HAProxy sends the answer record to the gateway process.
 */
export function haproxyTelemetry(
  options: HaproxyTelemetryOptions,
): Telemetry & SampledInputs & { close(): Promise<void> } {
  const meters = new Map(options.services.map(({ name }) => [name, new Meter(name)]));
  const everyMs = options.everyMs ?? 250;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  /** Null: the last look succeeded. */
  let fault: unknown = null;
  let seenAt = 0;
  let first: Promise<void> | null = null;

  async function look(): Promise<void> {
    const cli = await openMasterCli(options.masterSocket, options.deadlineMs ?? 2_000);
    try {
      const stats = await ofEach(cli, ({ pid }) => cli.ask(pid, 'show stat -1 6 -1'));
      const [current] = stats.keys();
      for (const [service, meter] of meters) {
        const stored = await readStoredRoute(options.directory, service);
        const view = await viewOf(cli, current ?? 0, mapFile(options.directory, service));
        meter.take(stats, stored, view, Date.now());
      }
    } finally {
      cli.close();
    }
  }

  async function round(): Promise<void> {
    try {
      await look();
      fault = null;
      seenAt = Date.now();
    } catch (caught) {
      fault = caught;
    }
    if (!closed) timer = setTimeout(() => void round(), everyMs).unref();
  }

  async function meterOf(service: string): Promise<Meter> {
    const meter = meters.get(service);
    if (meter === undefined) throw new TelemetryUnreachable(`no such service: ${service}`);
    await (first ??= round());
    return meter;
  }

  function refuseSilence(): void {
    // At a reload the master is silent for a moment; that is no news.
    if (fault === null || Date.now() - seenAt < graceMs) return;
    const why = fault instanceof Error ? fault.message : JSON.stringify(fault);
    throw new TelemetryUnreachable(`the counters of HAProxy: ${why}`, { cause: fault });
  }

  return {
    async *follow(service, cursor, signal) {
      const meter = await meterOf(service);
      let at = cursor;
      let saidAt = Date.now();
      while (!signal.aborted && !closed) {
        refuseSilence();
        const rows = meter.after(at);
        for (const row of rows) {
          at = row.seq;
          yield row;
        }
        const now = Date.now();
        if (rows.length > 0) saidAt = now;
        else if (now - saidAt >= 900) {
          saidAt = now;
          yield null;
        }
        await pause(50, signal);
      }
    },
    async window(service, fromMs, toMs) {
      const meter = await meterOf(service);
      refuseSilence();
      return meter.window(fromMs, toMs);
    },
    samples: () => Promise.resolve({ off: true, samples: [] }),
    inputs: () => Promise.resolve({ off: true, inputs: [] }),
    feedback: (_, items) =>
      Promise.resolve({
        accepted: 0,
        repeated: 0,
        corrected: 0,
        late: 0,
        unknown: items.map(({ requestId }) => requestId),
      }),
    answer: (requestId) =>
      options.answers?.answer(requestId) ?? Promise.resolve({ known: false, why: nobodyKeeps, gaps: [] }),
    answersAt: (service, at) =>
      options.answers?.answersAt(service, at) ??
      Promise.resolve({ at, versions: [], gaps: [{ fromMs: at, toMs: at, why: nobodyKeeps }] }),
    close: () => {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      return Promise.resolve();
    },
  };
}

/** Rows of one service out of running totals. */
class Meter {
  private rows: TelemetryRow[] = [];
  private seq = 0;
  private readonly before = new Map<string, Totals>();
  private readonly repeatsBefore = new Map<number, number>();
  private open = new Map<string, Totals>();
  private openSince = 0;
  private fallbackSeen: number | null = null;
  private epochSeen = 0;

  constructor(private readonly service: string) {}

  take(stats: ReadonlyMap<number, string>, stored: StoredRoute, view: MapView, nowMs: number): void {
    const begins = this.openSince === 0;
    if (begins) this.openSince = nowMs;
    for (const [worker, answer] of stats) {
      const grown = new Map<string, Totals>();
      for (const [version, totals] of totalsOf(answer, this.service, stored.lanes)) {
        const key = `${worker} ${version}`;
        // What was counted before the first look has no time; a worker that came later began at 0.
        const former = this.before.get(key) ?? (begins ? totals : none);
        this.before.set(key, totals);
        const growth = difference(totals, former);
        if (growth.requests > 0) grown.set(version, growth);
      }
      const repeats = repeatsOf(answer, this.service);
      const repeated = repeats - (this.repeatsBefore.get(worker) ?? (begins ? repeats : 0));
      this.repeatsBefore.set(worker, repeats);
      for (const [version, growth] of withoutRepeats(grown, Math.max(0, repeated)))
        this.open.set(version, sum(this.open.get(version) ?? none, growth));
    }
    for (const key of this.before.keys()) if (!stats.has(Number(key.split(' ')[0]))) this.before.delete(key);
    for (const worker of this.repeatsBefore.keys()) if (!stats.has(worker)) this.repeatsBefore.delete(worker);
    this.takeRoute(stored, view, nowMs);
    const failed = [...this.open.values()].some(({ failures }) => failures > 0);
    if (failed || nowMs - this.openSince >= rowMs) this.closeRow(stored, view.epoch, nowMs);
    const oldest = nowMs - keptMs;
    if ((this.rows[0]?.toMs ?? nowMs) < oldest) this.rows = this.rows.filter(({ toMs }) => toMs >= oldest);
  }

  after(cursor: number): TelemetryRow[] {
    if ((this.rows.at(-1)?.seq ?? 0) <= cursor) return [];
    return this.rows.filter(({ seq }) => seq > cursor);
  }

  window(fromMs: number, toMs: number): CountsRow[] {
    return this.rows.filter(
      (row): row is CountsRow => row.kind === 'counts' && row.fromMs >= fromMs && row.fromMs < toMs,
    );
  }

  private closeRow(stored: StoredRoute, epoch: number, nowMs: number): void {
    const share = stored.intended?.record.share;
    for (const [version, totals] of this.open) {
      const drill = share?.version === version && share.drill !== undefined && share.until > this.openSince;
      const cohort = drill ? 'drill' : 'live';
      const seq = this.next(nowMs);
      this.rows.push(countsRow(totals, { seq, fromMs: this.openSince, toMs: nowMs, version, epoch, cohort }));
    }
    this.open = new Map();
    this.openSince = nowMs;
  }

  /** What a follower must know to tell whose fallback it is: the route first, then what happened under it. */
  private takeRoute(stored: StoredRoute, { epoch, digest, fallbackSince }: MapView, nowMs: number): void {
    const written = [stored.intended, stored.confirmed].find((one) => one !== null && one.digest === digest) ?? null;
    if (written === null) return;
    const { primary, fallback = null } = written.record;
    if (this.fallbackSeen !== null && (fallbackSince === null || epoch !== this.epochSeen)) {
      const detail = epoch === this.epochSeen ? 'HAProxy was started anew' : 'a new route';
      this.event('fallbackEnded', { version: null, epoch, detail }, nowMs, nowMs);
      this.fallbackSeen = null;
    }
    if (epoch !== this.epochSeen) {
      this.epochSeen = epoch;
      this.event('routeApplied', { version: primary, epoch, detail: `primary ${primary}` }, written.at, nowMs);
    }
    if (fallbackSince === null || fallbackSince === this.fallbackSeen) return;
    this.fallbackSeen = fallbackSince;
    const detail = `no server of ${primary} answered`;
    this.event('fallbackBegan', { version: fallback, epoch, detail }, fallbackSince, nowMs);
  }

  private event(
    event: EventRow['event'],
    of: Pick<EventRow, 'version' | 'epoch' | 'detail'>,
    atMs: number,
    nowMs: number,
  ): void {
    this.rows.push({ kind: 'event', seq: this.next(nowMs), fromMs: atMs, toMs: atMs, event, ...of });
  }

  private next(nowMs: number): number {
    this.seq = Math.max(this.seq + 1, sequenceAt(nowMs));
    return this.seq;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
