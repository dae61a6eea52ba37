import {
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  log,
  patched,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
  type ExternalWorkflowHandle,
} from '@temporalio/workflow';
import type { Actor, LedgerEntry, LedgerKind } from '../../domain/ledger';
import { serviceWorkflowId } from '../contract/ids';
import type { OperationInput, StepReport } from '../contract/rollback';
import { signalNames } from '../contract/signals';
import { control } from '../proxies';
import { inBytes } from '../summary';
import { lostCall } from './activity-failure';

type Facts = LedgerEntry['facts'];

/** How long a decision of this operation waits for the ledger before its effect goes ahead (I4), unless the policy says. */
const ledgerWaitMs = 500;
/** A service workflow that was lost is started again within a minute. */
const reportPausesMs = [500, 2_000, 10_000, 30_000];
const batchLimitChars = 12_000;
const linesShown = 80;

const machine: Actor = { name: 'lastgood', proof: 'lastgood', from: 'rollback' };

/**
 * What is told of one operation: numbered reports to the service, entries to the ledger, the story in the Temporal UI.
 * Both ways out are written in order by loops of their own, so that no step waits for them.
 */
export class Chronicle {
  private readonly reports: StepReport[] = [];
  private readonly outbox: LedgerEntry[] = [];
  private readonly lines: string[] = [];
  private readonly workflowId = workflowInfo().workflowId;
  private readonly service: ExternalWorkflowHandle;
  private reported = 0;
  private last: StepReport['what'] | null = null;
  private entries = 0;
  /** Entries that left the outbox: written, or refused by the ledger for good. */
  private written = 0;
  /** Entries to be written one by one, after their batch was refused. */
  private singly = 0;
  private closing = false;
  private serviceLost = false;
  private readonly loops: Promise<void>[] = [];
  /** An order has arrived, so the operation waits for nobody, whatever it told last. */
  isOrdered: () => boolean = () => false;

  constructor(private readonly input: OperationInput) {
    this.service = getExternalWorkflowHandle(serviceWorkflowId(input.service));
    setHandler(defineSignal<[unknown]>(signalNames.asked), (asked) => this.answer(asked));
    this.lines.push(`**${input.kind} ${input.operation}** of ${input.service}: ${input.reason}`, '');
  }

  /** Starts the two loops in the cancellation scope of the caller. */
  start(): void {
    this.loops.push(this.sendReports(), this.writeEntries());
  }

  report(what: StepReport['what']): void {
    this.reported += 1;
    this.last = what;
    this.reports.push({ operation: this.input.operation, no: this.reported, at: Date.now(), what });
  }

  /**
   * The service asks, so it is there: a service that was lost meanwhile may not know that a person must answer, and would
   * let nobody do so. A new number: it may have heard the old one and forgotten it.
   */
  private answer(asked: unknown): void {
    const known = typeof asked === 'object' && asked !== null && 'knownToWait' in asked && asked.knownToWait === true;
    if (!known && this.last?.type === 'waiting' && !this.isOrdered() && patched('waiting-told-again'))
      this.report(this.last);
  }

  /** Written in the background, in order. */
  record(kind: LedgerKind, summary: string, facts: Facts): void {
    this.entries += 1;
    const { service, incident, operation } = this.input;
    const key = `${this.workflowId}/${this.entries}`;
    const entry = { service, key, at: Date.now(), kind, incident, actor: machine };
    this.outbox.push({ ...entry, summary: summary.slice(0, 1000), facts: { operation, ...facts } });
    this.note(summary);
  }

  /**
   * Written before the effect that follows. A ledger that does not answer in time gets it later, from here, where the
   * policy says `proceed`; where it says `hold`, only a stop ends the wait: false then.
   */
  async decide(kind: LedgerKind, summary: string, facts: Facts, stopped: () => boolean): Promise<boolean> {
    this.record(kind, summary, facts);
    const { behind } = await this.untilWritten();
    if (behind === 0 || this.input.ledger?.down !== 'hold') return true;
    const upTo = this.entries;
    this.note('**waits for the ledger**, as the policy says');
    await condition(() => this.written >= upTo || stopped());
    return this.written >= upTo;
  }

  async untilWritten(): Promise<{ readonly behind: number }> {
    const upTo = this.entries;
    if (this.written < upTo) {
      await condition(() => this.written >= upTo, this.input.ledger?.waitMs ?? ledgerWaitMs, {
        summary: 'the ledger answers',
      });
    }
    return { behind: Math.max(0, upTo - this.written) };
  }

  /** A line of the story in the Temporal UI. */
  note(line: string): void {
    const time = new Date(Date.now()).toISOString().slice(11, 23);
    this.lines.push(`- \`${time}\` ${line.slice(0, 400).replaceAll('\n', ' ')}`);
    if (this.lines.length > linesShown) this.lines.splice(2, 1);
    setCurrentDetails(this.lines.join('\n').slice(0, 20_000));
  }

  /** Resolves when everything has been sent and written. */
  async close(): Promise<void> {
    this.closing = true;
    await Promise.all(this.loops);
  }

  private async sendReports(): Promise<void> {
    for (;;) {
      await condition(() => this.reports.length > 0 || this.closing);
      const report = this.reports.shift();
      if (!report) return;
      await this.send(report);
    }
  }

  private async send(report: StepReport): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.service.signal(signalNames.stepReported, report);
        this.serviceLost = false;
        return;
      } catch (error) {
        // The service workflow was terminated. While it stays away every report gets one chance, so that this operation
        // ends; the new one reads the router and the ledger.
        const pauseMs = this.serviceLost ? undefined : reportPausesMs[attempt];
        log.warn('the service did not take a report', { no: report.no, error: String(error) });
        if (pauseMs === undefined) {
          this.serviceLost = true;
          return;
        }
        await sleep(pauseMs, { summary: 'the service workflow is back' });
      }
    }
  }

  private async writeEntries(): Promise<void> {
    for (;;) {
      await condition(() => this.outbox.length > 0 || this.closing);
      const batch = this.nextBatch();
      if (batch.length === 0) return;
      try {
        await control.recordDecisions.executeWithOptions(
          { summary: inBytes(batch.map(({ kind }) => kind).join(', ')) },
          [batch],
        );
        this.written += batch.length;
        this.outbox.splice(0, batch.length);
      } catch (error) {
        const { why } = lostCall(error);
        this.leaveOut(batch, why);
      }
    }
  }

  /** The ledger refuses for good what would be refused again; one bad entry must not hold up those behind it. */
  private leaveOut(batch: readonly LedgerEntry[], why: string): void {
    const [first, ...others] = batch;
    if (first && others.length > 0) {
      this.singly = batch.length;
      return;
    }
    log.error('the ledger refused an entry of this operation', { key: first?.key, why });
    this.outbox.shift();
    this.written += 1;
    this.note(`the ledger refused ${first?.kind ?? 'an entry'} (${first?.key ?? ''}): ${why}`);
  }

  private nextBatch(): LedgerEntry[] {
    if (this.singly > 0) {
      this.singly -= 1;
      return this.outbox.slice(0, 1);
    }
    const batch: LedgerEntry[] = [];
    let chars = 0;
    for (const entry of this.outbox) {
      chars += JSON.stringify(entry).length;
      if (batch.length > 0 && chars > batchLimitChars) break;
      batch.push(entry);
    }
    return batch;
  }
}
