import type { UserTally } from '../../domain/chaos/observations';

/** The fate of one request: `status` null where there was no whole answer. */
export interface Fate {
  readonly status: number | null;
  readonly version: string | null;
}

/** Sends one request like those of users; never rejects. */
export type SendRequest = () => Promise<Fate>;

interface Sent extends Fate {
  readonly sentAt: number;
}

/**
 * Users of an experiment: requests at a fixed rate, each counted. A request that has no answer when they are stopped is
 * waited for: its fate counts.
 */
export class Users {
  private readonly known: Sent[] = [];
  private readonly waiting = new Set<Promise<void>>();
  private sent = 0;
  private readonly timer: NodeJS.Timeout;
  private readonly began = performance.now();

  constructor(
    private readonly send: SendRequest,
    private readonly perSecond: number,
  ) {
    this.timer = setInterval(() => this.tick(), Math.min(50, 1_000 / perSecond));
  }

  /** Errors among the last `of` requests that were sent since `since`; null while there are fewer. */
  errorsOfLast(of: number, since: number): number | null {
    const last = this.known.filter(({ sentAt }) => sentAt >= since).slice(-of);
    return last.length < of ? null : last.filter((one) => !isGood(one)).length;
  }

  tally(faultAt: number | null): UserTally {
    const good = this.known.filter(isGood);
    const after = faultAt === null ? [] : good.filter(({ sentAt }) => sentAt >= faultAt);
    const lost = this.known.filter(({ status }) => status === null).length;
    return {
      sent: this.sent,
      answered: good.length,
      failed: this.known.length - good.length - lost,
      lost,
      byVersion: byVersion(good),
      byVersionAfter: byVersion(after),
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.waiting);
  }

  private tick(): void {
    const due = Math.floor(((performance.now() - this.began) * this.perSecond) / 1_000);
    // A machine that was busy owes no burst: what is late is sent once.
    if (due <= this.sent) return;
    this.sent += 1;
    const sentAt = Date.now();
    const one: Promise<void> = this.send().then((fate) => {
      this.known.push({ ...fate, sentAt });
      this.waiting.delete(one);
    });
    this.waiting.add(one);
  }
}

function isGood({ status }: Fate): boolean {
  return status !== null && status >= 200 && status < 300;
}

function byVersion(fates: readonly Fate[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { version } of fates) if (version !== null) counts[version] = (counts[version] ?? 0) + 1;
  return counts;
}
