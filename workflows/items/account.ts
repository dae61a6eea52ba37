import { condition, log, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import type { Alert } from '../../domain/alert';
import { countWords } from '../../domain/items/treated';
import type { Actor, LedgerEntry, LedgerKind } from '../../domain/ledger';
import type { ItemsInput, PipelineProgress } from '../contract/items';
import { control } from '../proxies';
import { inBytes } from '../summary';

const machine: Actor = { name: 'lastgood', proof: 'lastgood', from: 'items' };

const ALERTS_MS = 2_000;
/** What a continue-as-new carries: about a kilobyte each. */
const CARRIED = 40;

/** What is told of the items of one incident: ledger, alerts, the page of the workflow in Temporal's UI. */
export class Account {
  /** Sent beside the work; the run does not end before it has gone. */
  private readonly beside = new Set<Promise<void>>();
  private readonly underWay = new Map<string, Alert>();

  constructor(
    private readonly input: ItemsInput,
    private entriesWritten: number,
  ) {}

  get entries(): number {
    return this.entriesWritten;
  }

  /** Resolves when it is written, however long the ledger is down: no traffic waits for this. */
  async record(kind: LedgerKind, summary: string, facts: LedgerEntry['facts'], actor: Actor = machine): Promise<void> {
    this.entriesWritten += 1;
    const { service, incident } = this.input;
    const entry: LedgerEntry = {
      service,
      key: `${workflowInfo().workflowId}/${this.entriesWritten}`,
      at: Date.now(),
      kind,
      incident,
      actor,
      summary: summary.slice(0, 1_000),
      facts,
    };
    try {
      await control.recordDecisions.executeWithOptions({ summary: kind }, [[entry]]);
    } catch (error) {
      // Refused for good: what was done is in the list of outcomes all the same.
      log.error('the ledger refused an entry of items', { key: entry.key, error: String(error) });
    }
  }

  recordBeside(kind: LedgerKind, summary: string): void {
    this.goesBeside(this.record(kind, summary, {}));
  }

  alert(key: string, words: Pick<Alert, 'severity' | 'title' | 'wrong' | 'did' | 'must' | 'command'>): void {
    const { service, incident, target } = this.input;
    const alert: Alert = {
      ...words,
      key: `${service}/items/${incident}/${key}`,
      service,
      incident,
      at: Date.now(),
      wrong: words.wrong.slice(0, 900),
      users: `${target} serves; this is about what was handled before.`,
      link: null,
    };
    this.send(alert);
  }

  /** The same key again is the same alert wherever it arrives. */
  send(alert: Alert): void {
    const { key } = alert;
    this.underWay.set(key, alert);
    this.goesBeside(
      control.sendAlert
        .executeWithOptions({ summary: inBytes(alert.title) }, [alert])
        .catch((error: unknown) => log.warn('an alert was not sent', { key, error: String(error) }))
        .finally(() => this.underWay.delete(key)),
    );
  }

  /** Not delivered yet, newest last: the next run sends them again. Who is reminded each day need not hear of each day. */
  get unsent(): Alert[] {
    return [...this.underWay.values()].slice(-CARRIED);
  }

  /** As {@link quiet}, but no longer than a moment where only alerts are on their way: they go with the next run. */
  async quietSoon(): Promise<void> {
    if (this.beside.size === 0) return;
    await condition(() => this.beside.size === 0, ALERTS_MS, { summary: 'the last alerts are sent' });
    await condition(() => this.beside.size === this.underWay.size);
  }

  /** Resolves when nothing is on its way any more. */
  async quiet(): Promise<void> {
    await Promise.all([...this.beside]);
  }

  private goesBeside(work: Promise<void>): void {
    const gone = work.finally(() => this.beside.delete(gone));
    this.beside.add(gone);
  }

  show(pipelines: readonly PipelineProgress[]): void {
    const { service, incident, version } = this.input;
    const lines = pipelines.map(
      (one) =>
        `- **${one.name}** (${one.action}): ${one.phase}, ${countWords(one.counts)}${one.total === null ? '' : ` of ${one.total}`}` +
        (one.down ? `; **down** since ${new Date(one.down.since).toISOString()}: ${one.down.why}` : ''),
    );
    setCurrentDetails([`**items of ${version}**, ${service} ${incident}`, '', ...lines].join('\n').slice(0, 20_000));
  }
}
