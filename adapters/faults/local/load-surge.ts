import { z } from 'zod';
import { FaultDidNotHappen, FaultRefused } from '../errors';
import { comesTrue, proof, type FaultMaker } from './fault-maker';

const undoSchema = z.strictObject({
  entrance: z.string(),
  perSecond: z.number(),
  forMs: z.number(),
  maxRequests: z.int(),
});

/** Requests that wait for their answer at once; more would measure this process. */
const IN_FLIGHT_MAX = 500;
const LIMITS = { perSecond: 5_000, forMs: 600_000, maxRequests: 200_000 };
const TICK_MS = 20;

export interface SurgeTally {
  readonly sent: number;
  readonly ended: number;
  /** Left out because too many waited already. */
  readonly skipped: number;
}

/** One request like those of users; resolves when its fate is known, and never rejects. */
export type SendOne = (entrance: string) => Promise<void>;

/** More users than usual, bounded in number, rate and time, at an entrance of this machine only. */
export function loadSurge(options: {
  readonly entranceOf: (service: string) => Promise<string>;
  readonly sendOneOf: (service: string) => Promise<SendOne>;
}): FaultMaker<'load-surge'> {
  const surges = new Map<string, Surge>();
  const keyOf = (undo: unknown): string => JSON.stringify(undoSchema.parse(undo));
  return {
    async prepare(service, { perSecond, forMs, maxRequests }) {
      for (const [name, limit] of Object.entries(LIMITS)) {
        const given = { perSecond, forMs, maxRequests }[name] ?? 0;
        if (given > limit) throw new FaultRefused(`load-surge: ${name} ${given}, at most ${limit}`);
      }
      const entrance = await options.entranceOf(service);
      if (!isLoopback(entrance))
        throw new FaultRefused(
          `load-surge: ${entrance} is no loopback address; users elsewhere are not ours to crowd out`,
        );
      const undo = { entrance, perSecond, forMs, maxRequests };
      return { kind: 'load-surge', service, target: `${entrance} (${perSecond} requests/s, ${forMs} ms)`, undo };
    },
    async inject({ service, undo }) {
      const { entrance, perSecond, forMs, maxRequests } = undoSchema.parse(undo);
      const send = await options.sendOneOf(service);
      const surge = new Surge(() => send(entrance), { perSecond, forMs, maxRequests });
      surges.set(keyOf(undo), surge);
      // In effect: half a second's worth is on its way, or as many as may wait at once.
      const enough = Math.min(perSecond / 2, maxRequests, IN_FLIGHT_MAX);
      if (!(await comesTrue(() => surge.tally.sent >= enough, 5_000)))
        throw new FaultDidNotHappen(`load-surge: ${surge.tally.sent} requests within 5 s, expected ${enough}`);
      return proof(`${surge.tally.sent} requests are on their way, ${perSecond} a second`, { ...surge.tally });
    },
    async remove({ undo }) {
      const surge = surges.get(keyOf(undo));
      // Of a process that died: its requests ended with it.
      if (surge === undefined) return proof('no surge of this process is under way');
      await surge.end();
      const { sent, ended, skipped } = surge.tally;
      return proof(`the surge is over: ${sent} requests sent, ${ended} ended, ${skipped} left out`, { ...surge.tally });
    },
  };
}

class Surge {
  private sent = 0;
  private ended = 0;
  private skipped = 0;
  private over = false;
  private readonly began = performance.now();
  private readonly timer: NodeJS.Timeout;
  private readonly waiting = new Set<Promise<void>>();

  constructor(
    private readonly send: () => Promise<void>,
    private readonly plan: { readonly perSecond: number; readonly forMs: number; readonly maxRequests: number },
  ) {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  get tally(): SurgeTally {
    return { sent: this.sent, ended: this.ended, skipped: this.skipped };
  }

  /** Sends no more, and waits for every fate. */
  async end(): Promise<void> {
    this.over = true;
    clearInterval(this.timer);
    await Promise.all(this.waiting);
  }

  private tick(): void {
    const { perSecond, forMs, maxRequests } = this.plan;
    const passedMs = performance.now() - this.began;
    if (passedMs >= forMs || this.sent >= maxRequests) return clearInterval(this.timer);
    const due = Math.min(Math.floor((passedMs * perSecond) / 1_000), maxRequests);
    while (!this.over && this.sent + this.skipped < due) {
      if (this.waiting.size >= IN_FLIGHT_MAX) {
        this.skipped = due - this.sent;
        return;
      }
      this.sent += 1;
      const one: Promise<void> = this.send().finally(() => {
        this.ended += 1;
        this.waiting.delete(one);
      });
      this.waiting.add(one);
    }
  }
}

export function isLoopback(address: string): boolean {
  const { hostname } = new URL(address);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
