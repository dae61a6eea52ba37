/** What the rows of a service say of its users, of one second or one minute. */
export interface UserRow {
  readonly fromMs: number;
  readonly requests: number;
  /** Of the requests: what went wrong, or was given up by the client. */
  readonly failures: number;
  readonly timeouts: number;
  readonly cut: number;
  readonly clientErrors: number;
  /** By true class, as labels arrive; it may be negative by correction. */
  readonly labels: Readonly<Record<string, { readonly n: number }>>;
  /** Requests with a session, and sessions that began; absent where the gateway did not count them. */
  readonly sessions?: { readonly requests: number; readonly begun: number };
}

/** One minute of a service. */
export interface UserMinute {
  readonly atMs: number;
  requests: number;
  /** Requests that were answered well: a client that tries again after a failure adds none. */
  good: number;
  readonly classes: Map<string, number>;
  sessionRequests: number;
  sessionsBegun: number;
}

export const MINUTE_MS = 60_000;
const KEPT_MINUTES = 26 * 60;
const CLASSES_MAX = 50;

/** The minutes of the last 26 hours: the hour before, and the same time of the day before. Bounded by time and classes. */
export class UserMinutes {
  private readonly minutes = new Map<number, UserMinute>();

  add(row: UserRow): void {
    const atMs = Math.floor(row.fromMs / MINUTE_MS) * MINUTE_MS;
    let minute = this.minutes.get(atMs);
    if (!minute) {
      minute = { atMs, requests: 0, good: 0, classes: new Map(), sessionRequests: 0, sessionsBegun: 0 };
      this.minutes.set(atMs, minute);
      this.forget(atMs - KEPT_MINUTES * MINUTE_MS);
    }
    minute.requests += row.requests;
    minute.good += Math.max(0, row.requests - row.failures - row.timeouts - row.cut - row.clientErrors);
    minute.sessionRequests += row.sessions?.requests ?? 0;
    minute.sessionsBegun += row.sessions?.begun ?? 0;
    for (const [label, { n }] of Object.entries(row.labels)) {
      if (!minute.classes.has(label) && minute.classes.size >= CLASSES_MAX) continue;
      minute.classes.set(label, (minute.classes.get(label) ?? 0) + n);
    }
  }

  /**
   * Whole minutes of [fromMs, toMs), oldest first. A minute without a row was measured and had no request, as long as
   * there is one on both sides of it.
   */
  between(fromMs: number, toMs: number): UserMinute[] {
    const first = Math.ceil(fromMs / MINUTE_MS) * MINUTE_MS;
    const known = [...this.minutes.keys()];
    const [oldest, newest] = known.length === 0 ? [Infinity, -Infinity] : [Math.min(...known), Math.max(...known)];
    const found: UserMinute[] = [];
    for (let atMs = Math.max(first, oldest); atMs + MINUTE_MS <= toMs && atMs <= newest; atMs += MINUTE_MS)
      found.push(this.minutes.get(atMs) ?? quiet(atMs));
    return found;
  }

  private forget(beforeMs: number): void {
    for (const atMs of this.minutes.keys()) if (atMs < beforeMs) this.minutes.delete(atMs);
  }
}

function quiet(atMs: number): UserMinute {
  return { atMs, requests: 0, good: 0, classes: new Map(), sessionRequests: 0, sessionsBegun: 0 };
}
