/** One process of the supervisor. */
export interface Part {
  readonly name: string;
  /** Finds the running one of a former supervisor, or starts one. Resolves when it answers. */
  ensure(signal: AbortSignal): Promise<'adopted' | 'started' | 'replaced'>;
  isAlive(): Promise<boolean>;
  /** Graceful end; nothing is left of it afterwards. Idempotent. */
  stop(): Promise<void>;
}

/** A part did not come up. The message says which, why, and where its log is. */
export class PartFailed extends Error {
  override readonly name = 'PartFailed';
}

/** Polls until `look` gives null; the reason of the last look when the time is over or `givenUp` says so. */
export async function waitUntil(
  look: () => Promise<string | null>,
  limitMs: number,
  givenUp: () => boolean,
): Promise<string | null> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const why = await look();
    if (why === null) return null;
    if (givenUp() || performance.now() >= deadline) return why;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
