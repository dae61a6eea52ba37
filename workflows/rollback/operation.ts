import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { PlanStep } from '../../domain/rollback/plan';
import { namesInstance, type Backend, type RouteRecord } from '../../domain/route';
import type { StepOutcome } from '../contract/activities';
import type { Candidate, OperationInput, OperationOutcome, StepReport } from '../contract/rollback';
import { hostOf, routerOf } from '../proxies';
import { inBytes } from '../summary';
import { lostCall } from './activity-failure';
import type { Chronicle } from './chronicle';
import type { Orders } from './orders';
import type { RecordFacts } from './records';

/** One candidate on its way through its plan. */
export interface Trial {
  readonly candidate: Candidate;
  readonly plan: readonly PlanStep[];
  /** Index of the step to begin with: above 0 when a person orders a failed step again. */
  readonly from: number;
  /** The copy that will get the traffic; null until it runs. */
  readonly backend: Backend | null;
  /** Its copies on the other hosts; absent where there are none. */
  readonly others?: readonly Backend[];
}

/** How one candidate ended. */
export type TrialEnd =
  | { readonly kind: 'settled'; readonly why: string }
  /** A stop was obeyed, or the router refused everything from us: nothing more may be done. */
  | { readonly kind: 'stopped'; readonly why: string }
  /** Before the shift, for a reason of this candidate: the next one is tried. */
  | { readonly kind: 'failed'; readonly step: string; readonly why: string; readonly trial: Trial }
  /** Only a person can go on from here; `trial` is what an order to retry would run. */
  | { readonly kind: 'stuck'; readonly step: string; readonly why: string; readonly trial: Trial | null };

export type Verified = NonNullable<Extract<StepReport['what'], { type: 'ended' }>['verified']>;
export interface Ending {
  readonly outcome: OperationOutcome;
  readonly why: string;
}

interface CallOptions {
  readonly scheduleToCloseTimeout: number;
  readonly startToCloseTimeout: number;
  readonly summary: string;
}

export type StepResult<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly why: string }
  /** Nobody on the host took the call (`begun`: an earlier attempt was taken and lost): that says nothing about the candidate, and the next one is on the same host. */
  | { readonly kind: 'unreachable'; readonly why: string; readonly begun: boolean }
  | { readonly kind: 'stopped'; readonly why: string };

/** What one operation knows while it runs: where the traffic is, what it may still do, what it has told. */
export class Operation {
  readonly host;
  readonly router;
  /** The last record that this operation brought into force. */
  record: RouteRecord | null = null;
  verified: Verified | null = null;
  /** Copies started here, by instance. */
  readonly started = new Map<string, string>();
  /** Stops of dropped copies that are under way; a load waits for them, so that no third copy is in memory (I7). */
  readonly stopping = new Map<string, Promise<void>>();
  private nextEpoch: number;
  private readonly stopOrdered: Promise<'stopped'>;
  private mandateEndsAt: number;

  constructor(
    readonly input: OperationInput,
    readonly orders: Orders,
    readonly chronicle: Chronicle,
  ) {
    this.host = hostOf(input.host);
    this.router = routerOf(input.host);
    this.nextEpoch = input.epochs.from;
    this.stopOrdered = orders.untilStopped().then(() => 'stopped');
    this.mandateEndsAt = Date.now() + input.limits.attempts.totalMs;
  }

  get left(): string | null {
    return this.input.route?.primary ?? null;
  }

  /** Where all new requests go, as far as this operation knows. */
  get primary(): string {
    return this.record?.primary ?? this.left ?? 'none';
  }

  /** The traffic has moved at least once. A share in force is no shift: the left version is still primary. */
  get shifted(): boolean {
    return this.record !== null && (this.record.primary !== this.left || this.returned);
  }

  /** Nobody serves: this operation, or one that was lost before it, stopped what did. */
  get inGap(): boolean {
    return (this.record ?? this.input.route)?.gap !== undefined;
  }

  /** Loads of the version that was left, by this operation; each needs a name of its own. */
  backLoads = 0;

  /** When the traffic went to the candidate, by the router's clock; null after a failed verify. */
  shiftedAt: number | null = null;
  /** The traffic was moved back to the left version after a shift. */
  returned = false;

  get remainingMs(): number {
    return Math.max(0, this.mandateEndsAt - Date.now());
  }

  /** An order of a person is a new mandate: the time for attempts starts again. */
  renewMandate(): void {
    this.mandateEndsAt = Date.now() + this.input.limits.attempts.totalMs;
  }

  /** The stages of a gradual move last as long as the policy says; they are no attempt that takes too long. */
  addToMandate(ms: number): void {
    this.mandateEndsAt += ms;
  }

  /**
   * How long a call may find nobody on the host. Its one slot may be taken by a load of something else, and no other
   * candidate could be there sooner than by a load of its own.
   */
  get hostWaitMs(): number {
    return Math.min(this.input.limits.steps.loadMs, this.remainingMs);
  }

  /** The next of the granted epochs; every attempt gets a new one, so that a late attempt is always the lower. */
  takeEpoch(): number | null {
    if (this.nextEpoch > this.input.epochs.to) return null;
    this.nextEpoch += 1;
    return this.nextEpoch - 1;
  }

  recordFacts(epoch: number): RecordFacts {
    return {
      base: this.record ?? this.input.route,
      service: this.input.service,
      left: this.left,
      epoch,
      now: Date.now(),
      keepPinsMs: this.input.keepPinsMs,
      keepLeft: this.input.safest === 'previous',
    };
  }

  /** Copies that were started here and carry no traffic; a share ends with its operation. */
  idle(): { version: string; instance: string }[] {
    const { share: _share, ...record } = this.record ?? { share: undefined };
    const carries = (instance: string): boolean => 'epoch' in record && namesInstance(record, instance, Date.now());
    return [...this.started]
      .filter(([instance]) => !carries(instance))
      .map(([instance, version]) => ({ version, instance }));
  }

  began(step: string, version: string, deadlineMs: number): number {
    this.chronicle.report({ type: 'began', step, version, deadlineAt: Date.now() + deadlineMs });
    return Date.now();
  }

  succeeded(step: string, version: string, ms: number, note: string, leftOut: readonly string[] = []): void {
    const hosts = leftOut.length === 0 ? {} : { leftOut };
    this.chronicle.report({ type: 'succeeded', step, version, ms, note, ...hosts });
    this.chronicle.record('step-succeeded', `${step} of ${version} succeeded in ${ms} ms${note && `: ${note}`}`, {
      step,
      version,
      ms,
      note,
    });
  }

  failed(step: string, version: string, why: string): void {
    this.chronicle.record('step-failed', `${step} of ${version} failed: ${why}`, { step, version, why });
  }

  /**
   * Runs one step that moves no traffic: told, bounded by its deadline, given up when a stop arrives. A call whose answer
   * got lost is made once more with a fresh deadline: a worker that died says nothing about the candidate. One that nobody
   * took is made again for as long as the host may be busy.
   */
  async run<T>(
    step: PlanStep,
    version: string,
    call: (options: CallOptions) => Promise<StepOutcome<T>>,
    options: { readonly stoppable: boolean; readonly ownTime?: boolean; readonly hostAskedOnce?: boolean },
  ): Promise<StepResult<StepOutcome<T> & { ok: true }>> {
    const beganAt = Date.now();
    for (let lost = 0; ;) {
      const bounded = options.stoppable && options.ownTime !== true;
      const deadlineMs = bounded ? Math.min(step.deadlineMs, this.remainingMs) : step.deadlineMs;
      if (deadlineMs <= 0) return { kind: 'failed', why: 'the time for attempts is over' };
      this.began(step.step, version, deadlineMs);
      const summary = inBytes(`${step.step} ${version}`);
      // The step's deadline is the only limit of one attempt too, however long the policy makes it.
      const callOptions = { scheduleToCloseTimeout: deadlineMs, startToCloseTimeout: deadlineMs, summary };
      try {
        const outcome = await this.unlessStopped(() => call(callOptions), options.stoppable);
        if (outcome === 'stopped') return { kind: 'stopped', why: this.orders.stopWhy ?? 'stopped' };
        if (outcome.ok) return { kind: 'done', value: outcome };
        return this.stepFailed(step.step, version, outcome.why);
      } catch (error) {
        const { kind, why } = lostCall(error);
        const stopped = this.orders.stopWhy !== null;
        const hostMay = options.hostAskedOnce !== true && Date.now() - beganAt < this.hostWaitMs;
        const again = kind === 'unreachable' ? hostMay : kind === 'late' && lost++ === 0;
        if (again && !stopped) {
          this.chronicle.note(`${step.step} of ${version}: ${why}; once more`);
          continue;
        }
        this.failed(step.step, version, why);
        return kind === 'unreachable' ? { kind, why, begun: lost > 0 } : { kind: 'failed', why };
      }
    }
  }

  private stepFailed(step: string, version: string, why: string): StepResult<never> {
    this.failed(step, version, why);
    return { kind: 'failed', why };
  }

  /** Given up when a stop arrives; resolves only after whoever did it has heard so. */
  async unlessStopped<T>(call: () => Promise<T>, stoppable: boolean): Promise<T | 'stopped'> {
    if (!stoppable) return await call();
    const scope = new CancellationScope();
    const running = scope.run(call);
    const first = await Promise.race([running, this.stopOrdered]);
    if (first === 'stopped') {
      scope.cancel();
      await running.catch((error: unknown) => {
        if (!isCancellation(error)) lostCall(error);
      });
    }
    return first;
  }
}
