import { readFileSync } from 'node:fs';

/** Times whose answers may be missing; of all services where the service is null. */
export interface LogGap {
  readonly service: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly why: string;
}

/** What was stored of one worker of HAProxy. */
export interface WorkerState {
  /** By service: number and time of its last line. */
  lines: Record<string, { n: number; at: number }>;
  /** Null: it is expected to go on. Else its connection ended, and until when the gap is written down. */
  leftThroughMs: number | null;
  /** Its process is seen from here: so its end is, too. */
  seen: boolean;
}
export type Workers = Record<string, WorkerState>;

/** What a worker had on its way when its connection ended was younger than this. */
const onTheWayMs = 1_000;
/** A worker that did not end connects again within this. */
const againMs = 5_000;
/** `hard-stop-after` of the configuration: no worker lives longer after a reload. */
const leftMaxMs = 30 * 60_000;
/** While a worker that was left lives, its gap is written down so often. */
const extendMs = 60_000;

/**
 * Which lines of HAProxy's log are missing. Each line has its worker and a number that counts up: a jump is a gap between
 * the two lines around it. A worker that a reload has left sends no lines any more (HAProxy 2.6 closes its log then) though
 * it may answer for as long as it lives: that time is a gap. So is the last second of one that ended.
 */
export class LogContinuity {
  private dirty = false;
  private stopped = false;
  /** Expected to connect again, by the time at which that began. */
  private readonly awaited = new Map<number, number>();
  /** Left by a reload, by the time at which that was. */
  private readonly since = new Map<number, number>();
  private readonly startedAt: number;

  constructor(
    private readonly workers: Workers,
    startedAt: number,
    private readonly onGap: (gap: LogGap) => void,
    private readonly sees: (pid: number) => boolean = isHaproxy,
  ) {
    this.startedAt = startedAt;
    for (const [pid, { leftThroughMs }] of Object.entries(workers)) {
      if (leftThroughMs === null) this.awaited.set(Number(pid), startedAt);
      else this.since.set(Number(pid), leftThroughMs);
    }
  }

  line({ pid, n, at, service }: { pid: number; n: number; at: number; service: string }): void {
    const worker = (this.workers[pid] ??= { lines: {}, leftThroughMs: null, seen: this.sees(pid) });
    const last = worker.lines[service];
    const missing = n - (last === undefined ? 0 : last.n + 1);
    if (missing > 0) {
      // Of a worker that was never heard of, nothing says since when it answers.
      const fromMs = last?.at ?? 0;
      const why = `${missing} line(s) of HAProxy's log are missing: nobody took them for too long`;
      this.onGap({ service, fromMs, toMs: Math.max(at, fromMs), why });
    }
    worker.lines[service] = { n: Math.max(n, last?.n ?? 0), at: Math.max(at, last?.at ?? 0) };
    worker.leftThroughMs = null;
    this.awaited.delete(pid);
    this.since.delete(pid);
    this.dirty = true;
  }

  /** @param pid null where it had sent nothing */
  closed(pid: number | null, nowMs: number): void {
    if (this.stopped) return;
    if (pid === null) this.onGap({ service: null, fromMs: nowMs - onTheWayMs, toMs: nowMs, why: ended });
    else this.awaited.set(pid, nowMs);
  }

  /** Once a second. */
  tick(nowMs: number): void {
    for (const [pid, sinceMs] of this.awaited) {
      if (this.lives(pid) && nowMs - sinceMs < againMs) continue;
      this.awaited.delete(pid);
      if (sinceMs === this.startedAt) this.missSinceLast(pid, nowMs);
      this.leave(pid, sinceMs - onTheWayMs, nowMs, sinceMs);
    }
    for (const [pid, sinceMs] of this.since) {
      const throughMs = this.workers[pid]?.leftThroughMs ?? sinceMs;
      if (this.lives(pid) && nowMs - sinceMs < leftMaxMs && nowMs - throughMs < extendMs) continue;
      this.leave(pid, throughMs, nowMs, sinceMs);
    }
  }

  private lives(pid: number): boolean {
    // One that is not seen from here may live.
    return this.workers[pid]?.seen === false || this.sees(pid);
  }

  private leave(pid: number, fromMs: number, nowMs: number, sinceMs: number): void {
    const lives = this.lives(pid) && nowMs - sinceMs < leftMaxMs;
    this.onGap({ service: null, fromMs, toMs: nowMs, why: lives ? left : ended });
    this.dirty = true;
    const worker = this.workers[pid];
    if (lives && worker !== undefined) {
      worker.leftThroughMs = nowMs;
      this.since.set(pid, sinceMs);
      return;
    }
    this.since.delete(pid);

    delete this.workers[pid];
  }

  /** It did not come back after this process was away: what it answered meanwhile went with it. */
  private missSinceLast(pid: number, nowMs: number): void {
    for (const [service, { at }] of Object.entries(this.workers[pid]?.lines ?? {})) {
      this.onGap({ service, fromMs: Math.min(at, nowMs), toMs: nowMs, why: ended });
    }
  }

  /** From now on connections end because this process ends. */
  stop(): void {
    this.stopped = true;
  }

  /** A copy of what is known, or null where nothing changed since the last one. */
  take(): Workers | null {
    if (!this.dirty) return null;
    this.dirty = false;
    return structuredClone(this.workers);
  }
}

const ended = 'a worker of HAProxy ended: what it answered last may be missing';
const left = 'a reload has left a worker of HAProxy, which sends no lines any more: what it answers is missing';

function isHaproxy(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'haproxy';
  } catch {
    return false;
  }
}
