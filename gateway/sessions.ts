import { createHash } from 'node:crypto';
import type { RouteRecord } from '../domain/route';
import { pinHoldsUntil } from './routing';
import type { Statement, Storage } from './storage';

/** Sessions that can be pinned at the same time; beyond it new sessions go unpinned, those that are pinned stay. */
const SESSIONS_MAX = 100_000;
const FLUSH_MS = 100;
const SWEEP_MIN_MS = 1_000;

interface Pinned {
  readonly version: string;
  readonly bornMs: number;
}

/**
 * Which version each session began on. The id is untrusted: bounded in length and number, kept in memory only, on disk
 * as SHA-256. New pins are written in batches; what a SIGKILL loses are the pins of the last 100 ms.
 */
export class Sessions {
  private readonly bySession = new Map<string, Pinned>();
  /** Pins from before the restart, by SHA-256, until their session shows up again. */
  private readonly restored = new Map<string, Pinned>();
  private readonly dirty = new Set<string>();
  private timer: NodeJS.Timeout | null = null;
  private readonly upsert: Statement;
  private sweptAt = 0;
  /** Sessions that could not be pinned because the table was full. */
  unpinned = 0;

  constructor(
    private readonly storage: Storage,
    private readonly service: string,
    private readonly maxMs: number,
    nowMs: number,
  ) {
    this.upsert = storage.prepare(
      'INSERT OR REPLACE INTO sessions (service, session_sha, version, born_ms) VALUES (?, ?, ?, ?)',
    );
    storage.prepare('DELETE FROM sessions WHERE service = ? AND born_ms <= ?').run(service, nowMs - maxMs);
    const rows = storage.prepare('SELECT * FROM sessions WHERE service = ? LIMIT ?').all(service, SESSIONS_MAX);
    for (const row of rows as { session_sha: string; version: string; born_ms: number }[]) {
      this.restored.set(row.session_sha, { version: row.version, bornMs: row.born_ms });
    }
  }

  versionOf(session: string, nowMs: number): string | undefined {
    let pinned = this.bySession.get(session);
    if (!pinned && this.restored.size > 0) {
      const sha = sessionSha(session);
      pinned = this.restored.get(sha);
      if (pinned) {
        this.restored.delete(sha);
        this.bySession.set(session, pinned);
      }
    }
    return pinned && pinned.bornMs + this.maxMs > nowMs ? pinned.version : undefined;
  }

  /**
   * Called with the first byte of each answer: pins a session that is not pinned to a version that it may stay on. True
   * when the session began with it.
   */
  answered(session: string, version: string, record: RouteRecord, nowMs: number): boolean {
    const pinned = this.bySession.get(session);
    if (pinned) {
      if (pinned.version === version && pinned.bornMs + this.maxMs > nowMs) return false;
      // A pin that still holds is not overwritten by an answer that came from elsewhere (its backends were down).
      if (pinned.bornMs + this.maxMs > nowMs && pinHoldsUntil(record, pinned.version, nowMs) > 0) return false;
    } else if (this.bySession.size + this.restored.size >= SESSIONS_MAX) {
      if (nowMs - this.sweptAt > SWEEP_MIN_MS) this.sweep(nowMs);
      if (this.bySession.size + this.restored.size >= SESSIONS_MAX) {
        this.unpinned += 1;
        return true;
      }
    }
    this.bySession.set(session, { version, bornMs: nowMs });
    this.dirty.add(session);
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
    return pinned === undefined;
  }

  /** Live pinned sessions by version under the record, with the latest end of one of them. */
  summary(record: RouteRecord | null, nowMs: number): Record<string, { sessions: number; lastEndsAt: number }> {
    const result: Record<string, { sessions: number; lastEndsAt: number }> = {};
    if (!record) return result;
    const holds = new Map<string, number>();
    for (const table of [this.bySession, this.restored]) {
      for (const { version, bornMs } of table.values()) {
        let until = holds.get(version);
        if (until === undefined) holds.set(version, (until = pinHoldsUntil(record, version, nowMs)));
        const endsAt = Math.min(bornMs + this.maxMs, until);
        if (endsAt <= nowMs) continue;
        const entry = (result[version] ??= { sessions: 0, lastEndsAt: 0 });
        entry.sessions += 1;
        entry.lastEndsAt = Math.max(entry.lastEndsAt, endsAt);
      }
    }
    return result;
  }

  flush(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.dirty.size === 0) return;
    try {
      this.storage.transaction(() => {
        for (const session of this.dirty) {
          const pinned = this.bySession.get(session);
          if (pinned) this.upsert.run(this.service, sessionSha(session), pinned.version, pinned.bornMs);
        }
      });
      this.dirty.clear();
    } catch {
      // The pins hold in memory; the next flush tries again.
      this.timer = setTimeout(() => this.flush(), FLUSH_MS * 10);
    }
  }

  /** Forgets what has ended, in memory and on disk. */
  sweep(nowMs: number): void {
    this.sweptAt = nowMs;
    for (const table of [this.bySession, this.restored]) {
      for (const [key, { bornMs }] of table) if (bornMs + this.maxMs <= nowMs) table.delete(key);
    }
    this.storage
      .prepare('DELETE FROM sessions WHERE service = ? AND born_ms <= ?')
      .run(this.service, nowMs - this.maxMs);
  }
}

export function sessionSha(session: string): string {
  return createHash('sha256').update(session).digest('hex');
}
