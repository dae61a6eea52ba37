import { request } from 'undici';

/** Something that a service needs and that can be asked whether it works. */
export interface Dependency {
  readonly name: string;
  /** Answers 2xx when it works. Comes from the configuration, never from an artifact. */
  readonly url: string;
  readonly timeoutMs?: number;
}

export interface DependencyCheck {
  readonly atMs: number;
  readonly ok: boolean;
  readonly why: string;
}

const LIMIT_BYTES = 64 * 1024;

export async function checkDependency(dependency: Dependency, now: () => number): Promise<DependencyCheck> {
  const timeoutMs = dependency.timeoutMs ?? 2_000;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await request(dependency.url, { signal });
    await answer.body.dump({ limit: LIMIT_BYTES, signal });
    const ok = answer.statusCode >= 200 && answer.statusCode < 300;
    return { atMs: now(), ok, why: `answered ${answer.statusCode}` };
  } catch (fault) {
    const why = signal.aborted
      ? `no answer within ${timeoutMs} ms`
      : String((fault as { code?: unknown }).code ?? fault);
    return { atMs: now(), ok: false, why };
  }
}

/** What is remembered of one dependency: enough to tell "broke just now" from "never worked". */
export interface DependencyHistory {
  lastOkAt: number | null;
  failingSince: number | null;
  last: DependencyCheck | null;
}

export function noteCheck(history: DependencyHistory, check: DependencyCheck): void {
  history.last = check;
  if (check.ok) {
    history.lastOkAt = check.atMs;
    history.failingSince = null;
  } else {
    history.failingSince ??= check.atMs;
  }
}

/**
 * A dependency that worked and fails since about `sinceMs` has changed; one that never worked here cannot be the news, so
 * nothing can be concluded from it.
 */
export function dependencyState(
  history: DependencyHistory,
  sinceMs: number,
  slackMs: number,
): 'same' | 'changed' | 'unmeasured' {
  if (history.last === null) return 'unmeasured';
  if (history.last.ok) return 'same';
  if (history.lastOkAt === null) return 'unmeasured';
  return (history.failingSince ?? 0) >= sinceMs - slackMs ? 'changed' : 'same';
}
