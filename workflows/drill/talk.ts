import {
  CancellationScope,
  CancelledFailure,
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  log,
  setCurrentDetails,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import { z } from 'zod';
import type { DrillInput, DrillOrder, DrillReport } from '../contract/drill';
import { serviceWorkflowId } from '../contract/ids';
import { signalNames } from '../contract/signals';

const epoch = z.int().min(0);
const orderSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('shared'), epoch, until: z.number() }),
  z.object({ type: z.literal('return'), epoch, at: z.number() }),
  z.object({ type: z.literal('stop'), why: z.string() }),
]);

/** A service workflow that was lost is started again within a minute. */
const reportPausesMs = [500, 2_000, 10_000, 30_000];
const LINES_SHOWN = 40;

/** What a drill and its service say to each other, and the story in the Temporal UI. */
export class DrillTalk {
  stopWhy: string | null = null;
  private reported = 0;
  private readonly orders: DrillOrder[] = [];
  private readonly lines: string[] = [];
  private readonly scopes = new Set<CancellationScope>();

  constructor(private readonly input: DrillInput) {
    setHandler(defineSignal<[unknown]>(signalNames.drillOrdered), (order) => this.take(order));
    this.note(`${input.way}, ${input.version}`);
  }

  stop(why: string): void {
    if (this.stopWhy !== null) return;
    this.stopWhy = why;
    this.note(`stopped: ${why}`);
    for (const scope of this.scopes) scope.cancel();
  }

  note(line: string): void {
    this.lines.push(`- \`${new Date(Date.now()).toISOString().slice(11, 23)}\` ${line}`);
    setCurrentDetails(
      [`**${this.input.drill}** of ${this.input.service}`, '', ...this.lines.slice(-LINES_SHOWN)].join('\n'),
    );
  }

  /** Waits for the service's word; rejects when it is to stop, or nothing comes in time. */
  async ordered<T extends 'shared' | 'return'>(type: T, maxMs: number): Promise<Extract<DrillOrder, { type: T }>> {
    const found = (): DrillOrder | undefined => this.orders.find((order) => order.type === type);
    await condition(() => this.stopWhy !== null || found() !== undefined, maxMs, { summary: `the service: ${type}` });
    if (this.stopWhy !== null) throw new CancelledFailure(this.stopWhy);
    const order = found();
    if (!order) throw new CancelledFailure(`the service did not answer within ${maxMs} ms (${type})`);
    return order as Extract<DrillOrder, { type: T }>;
  }

  /** A stop ends it where it is. */
  async unlessStopped<T>(work: () => Promise<T>): Promise<T> {
    if (this.stopWhy !== null) throw new CancelledFailure(this.stopWhy);
    const scope = new CancellationScope();
    this.scopes.add(scope);
    try {
      // Nobody waits for a worker's word on a stop: one that hangs would hold the drill up.
      return await Promise.race([scope.run(work), scope.cancelRequested]);
    } finally {
      this.scopes.delete(scope);
    }
  }

  /** Numbered, so that one that is delivered twice counts once. */
  async report(what: DrillReport['what']): Promise<void> {
    this.reported += 1;
    this.note(what.type);
    const { service, drill } = this.input;
    const report: DrillReport = { drill, no: this.reported, at: Date.now(), what };
    const handle = getExternalWorkflowHandle(serviceWorkflowId(service));
    for (const pauseMs of [...reportPausesMs, null]) {
      try {
        await handle.signal(signalNames.drillReported, report);
        return;
      } catch (error) {
        log.warn('the service did not take a report of a drill', { error: String(error) });
        if (pauseMs !== null) await sleep(pauseMs, { summary: 'the service workflow is back' });
      }
    }
  }

  private take(given: unknown): void {
    const parsed = orderSchema.safeParse(given);
    if (!parsed.success) return log.warn('an order to a drill could not be read', { problem: parsed.error.message });
    if (parsed.data.type === 'stop') this.stop(parsed.data.why);
    else this.orders.push(parsed.data);
  }
}
