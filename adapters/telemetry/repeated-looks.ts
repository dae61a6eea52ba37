/** One thing that is looked at again and again. */
export interface Look {
  readonly service: string;
  readonly everyMs: number;
  /** What is wrong, in words; never rejects. */
  look(nowMs: number, signal: AbortSignal): Promise<readonly string[]>;
}

export interface RepeatedLooks {
  /** Looks at what belongs to the service at once; how much that is. */
  now(service: string): number;
  close(): Promise<void>;
}

/**
 * Looks at each at its interval until it is closed; a look that takes longer than the interval leaves the next one out.
 * While `wanted` says no, only `now` looks. `onChange` hears what is wrong when that changes, and an empty list when all is well again.
 */
export function repeatLooks(
  looks: readonly Look[],
  onChange: (look: Look, problems: readonly string[]) => void,
  wanted: () => boolean = () => true,
): RepeatedLooks {
  const ending = new AbortController();
  const running = new Set<Promise<void>>();
  const each = looks.map((look) => {
    let said = '';
    let busy = false;
    const once = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      const problems = await look.look(Date.now(), ending.signal);
      busy = false;
      const saying = problems.join('\n');
      if (saying !== said && !ending.signal.aborted) onChange(look, problems);
      said = saying;
    };
    const begin = (): void => {
      const one = once().finally(() => running.delete(one));
      running.add(one);
    };
    const inTime = (): void => void (wanted() && begin());
    inTime();
    return { look, begin, timer: setInterval(inTime, look.everyMs).unref() };
  });
  return {
    now(service) {
      const asked = each.filter(({ look }) => look.service === service);
      for (const { begin } of asked) begin();
      return asked.length;
    },
    async close() {
      for (const { timer } of each) clearInterval(timer);
      ending.abort();
      await Promise.all(running);
    },
  };
}
