import { condition, defineSignal, setHandler } from '@temporalio/workflow';
import { z } from 'zod';
import { selectorSchema } from '../contract/selector';
import { signalNames } from '../contract/signals';
import type { Candidate, OperationOrder } from '../contract/rollback';

export const orderGivenSignal = defineSignal<[unknown]>(signalNames.orderGiven);

const candidateSchema: z.ZodType<Candidate> = z.strictObject({
  version: z.string().min(1).max(64),
  digest: z.string().min(1).max(200),
  why: z.string().max(500),
  warm: z
    .strictObject({
      address: z.string().max(200),
      instance: z.string().max(200),
      digest: z.string().max(200),
      selector: selectorSchema.exactOptional(),
      proofAt: z.number(),
    })
    .nullable(),
});

const orderSchema: z.ZodType<OperationOrder> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('stop'), why: z.string().max(500) }),
  z.strictObject({ type: z.literal('retry') }),
  z.strictObject({ type: z.literal('choose'), candidate: candidateSchema }),
  z.strictObject({ type: z.literal('accept') }),
  z.strictObject({ type: z.literal('abort') }),
]);

export type HumanOrder = Exclude<OperationOrder, { readonly type: 'stop' }>;

/** More orders than this before anybody waits for one is a fault of the sender. */
const bufferLimit = 20;

/**
 * What the service tells this operation. A stop counts from the moment it arrives; everything else waits until the
 * operation waits for a person. Nothing that arrives here may throw: a throw in a signal handler wedges the workflow.
 */
export class Orders {
  private readonly buffered: HumanOrder[] = [];
  private stopped: string | null = null;

  constructor(onUnreadable: (problem: string) => void) {
    setHandler(orderGivenSignal, (order) => this.take(order, onUnreadable));
  }

  get stopWhy(): string | null {
    return this.stopped;
  }

  /** True when an order has arrived that nobody has taken yet. */
  get isPending(): boolean {
    return this.stopped !== null || this.buffered.length > 0;
  }

  stop(why: string): void {
    this.stopped ??= why;
  }

  /** Resolves when a stop has been ordered. */
  async untilStopped(): Promise<void> {
    await condition(() => this.stopped !== null);
  }

  /** The next order for a waiting operation; a stop goes before all others. */
  async next(): Promise<HumanOrder | { readonly type: 'stop'; readonly why: string }> {
    await condition(() => this.stopped !== null || this.buffered.length > 0);
    if (this.stopped !== null) return { type: 'stop', why: this.stopped };
    return this.buffered.shift() ?? this.next();
  }

  private take(order: unknown, onUnreadable: (problem: string) => void): void {
    const parsed = orderSchema.safeParse(order);
    if (!parsed.success) {
      const problems = parsed.error.issues.slice(0, 3);
      onUnreadable(problems.map((issue) => `${issue.path.join('.') || '(order)'}: ${issue.message}`).join('; '));
      return;
    }
    if (parsed.data.type === 'stop') this.stop(parsed.data.why);
    // The same order twice before it is obeyed is one order that was delivered twice.
    else if (this.buffered.length < bufferLimit && !this.holds(parsed.data)) this.buffered.push(parsed.data);
  }

  private holds(order: HumanOrder): boolean {
    const text = JSON.stringify(order);
    return this.buffered.some((other) => JSON.stringify(other) === text);
  }
}
