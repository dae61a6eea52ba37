import { join } from 'node:path';
import { until } from './poll';
import { Load, type LoadPlan, type RequestRecord } from '../../bench/exposure/load';
import { distDirectory } from '../../workers/program';

export type { RequestRecord };

const ENOUGH_WITHIN_MS = 60_000;

/** What became of a set of requests. */
export interface Tally {
  readonly sent: number;
  readonly answered: number;
  /** Answered, but not with 200. */
  readonly failed: number;
  /** No whole answer. */
  readonly dropped: number;
  readonly byVersion: Readonly<Record<string, number>>;
  /** Of the failed and dropped ones, how many for each reason. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

/** Users of an installation: a process of its own, every request counted. */
export class Traffic {
  private constructor(private readonly client: Load) {}

  static async start(plan: LoadPlan): Promise<Traffic> {
    return new Traffic(await Load.start(join(distDirectory(), 'bench', 'exposure', 'load-client.js'), plan));
  }

  /** Requests whose fate is known, sent from then on (milliseconds since the epoch). */
  async records(since = 0): Promise<RequestRecord[]> {
    return (await this.client.read()).records.filter(({ sentAt }) => sentAt >= since);
  }

  async tally(since = 0): Promise<Tally> {
    return tallyOf(await this.records(since));
  }

  /**
   * Goes on until there are enough requests to say something (a fast machine is done sooner), ends the sending, waits for
   * every answer, and fails when there were too few of them all the same.
   */
  async stop(enough: number): Promise<{ tally: Tally; records: RequestRecord[] }> {
    await until(`${enough} requests`, async () => (await this.records()).length >= enough, ENOUGH_WITHIN_MS).catch(
      () => undefined,
    );
    const records = await this.client.stop();
    const tally = tallyOf(records);
    expectEnoughTraffic(tally, enough);
    return { tally, records };
  }

  kill(): void {
    this.client.kill();
  }
}

/** A run without traffic proves nothing. */
export function expectEnoughTraffic(tally: Tally, enough: number): void {
  if (tally.sent < enough) throw new Error(`too little traffic: ${tally.sent} requests, at least ${enough} are needed`);
}

export function tallyOf(records: readonly RequestRecord[]): Tally {
  const byVersion: Record<string, number> = {};
  const reasons: Record<string, number> = {};
  let answered = 0;
  let failed = 0;
  let dropped = 0;
  for (const { lost, status, version } of records) {
    if (lost !== null) dropped += 1;
    else if (status !== 200) failed += 1;
    else answered += 1;
    if (version !== null) byVersion[version] = (byVersion[version] ?? 0) + 1;
    const reason = lost ?? (status === 200 ? null : `status ${status ?? '?'}`);
    if (reason !== null) reasons[reason] = (reasons[reason] ?? 0) + 1;
  }
  const slowestMs = records.reduce((slowest, { ms }) => Math.max(slowest, ms), 0);
  return { sent: records.length, answered, failed, dropped, byVersion, reasons, slowestMs };
}
