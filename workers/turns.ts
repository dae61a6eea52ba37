import { pause } from './process-options';

/** Who is looked at next, of many that are all to be looked at again and again: the one whose turn was longest ago. */
export class Turns {
  private readonly due = new Map<string, number>();

  constructor(
    names: readonly string[],
    private readonly everyMs: number,
    private readonly atOnce: number,
  ) {
    for (const name of names) this.due.set(name, -Infinity);
  }

  /** At most `atOnce` of those that are due, the first of them those that are asked for now. */
  take(now: number, asked: ReadonlySet<string> = new Set()): string[] {
    const waiting = [...this.due].filter(([name, at]) => at <= now || asked.has(name));
    const rank = ([name]: readonly [string, number]): number => (asked.has(name) ? 0 : 1);
    // Who had no turn yet is due since for ever, and two of them are equal.
    const chosen = waiting
      .sort((a, b) => rank(a) - rank(b) || (a[1] === b[1] ? 0 : a[1] - b[1]))
      .slice(0, Math.max(this.atOnce, asked.size));
    for (const [name] of chosen) this.due.set(name, now + this.everyMs);
    return chosen.map(([name]) => name);
  }
}

/**
 * Does the work of each, so many of them at a time. With `withinMs` they are spread over that time: a thousand of them at
 * the same moment would keep everything else waiting.
 */
export async function eachInTurn<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  {
    atOnce,
    withinMs = 0,
    signal,
  }: { readonly atOnce: number; readonly withinMs?: number; readonly signal: AbortSignal },
): Promise<void> {
  const began = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && !signal.aborted) {
      const index = next;
      next += 1;
      const waitMs = began + (withinMs * index) / items.length - performance.now();
      if (waitMs > 1) await pause(waitMs, signal);
      if (signal.aborted) return;
      await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
