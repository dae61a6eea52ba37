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
  /** From the question to the end of the answer. */
  readonly ms: number;
  readonly why: string;
}

const LIMIT_BYTES = 64 * 1024;

export async function checkDependency(dependency: Dependency, now: () => number): Promise<DependencyCheck> {
  const timeoutMs = dependency.timeoutMs ?? 2_000;
  const signal = AbortSignal.timeout(timeoutMs);
  const began = performance.now();
  const took = (): number => performance.now() - began;
  try {
    const answer = await request(dependency.url, { signal });
    await answer.body.dump({ limit: LIMIT_BYTES, signal });
    const ok = answer.statusCode >= 200 && answer.statusCode < 300;
    return { atMs: now(), ok, ms: took(), why: `answered ${answer.statusCode}` };
  } catch (fault) {
    const why = signal.aborted
      ? `no answer within ${timeoutMs} ms`
      : String((fault as { code?: unknown }).code ?? fault);
    return { atMs: now(), ok: false, ms: took(), why };
  }
}
