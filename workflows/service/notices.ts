import { log, patched } from '@temporalio/workflow';
import type { Alert } from '../../domain/alert';
import type { LedgerEntry } from '../../domain/ledger';
import { control } from '../proxies';
import { inBytes } from '../summary';

/** Alerts under way at the same time; the server ends a workflow task with more than 2,000 open activities, for ever. */
const UNDER_WAY = 10;
/** More than this waiting for a sink that is down; the oldest that pages nobody goes first. */
const WAITING = 200;
/** What a continue-as-new carries: about a kilobyte each. */
const CARRIED = 40;
/** The same key again is the same alert; what is said for ever (a flood of bad messages) is said this often. */
const SAME_AGAIN_MS = 10 * 60_000;
const NOTES_UNDER_WAY = 20;
/** What is decided on an incident, and how it ended: the moments of which a picture is kept. */
const PICTURED = new Set<LedgerEntry['kind']>(['rollback-decided', 'rollback-held', 'settled', 'incident-ended']);

/** Alerts and notes: sent beside the loop, never awaited by it, bounded however long their sinks are down. */
export class Notices {
  private readonly waiting: Alert[] = [];
  private readonly underWay = new Map<string, Alert>();
  private readonly sentAt = new Map<string, number>();
  private notes = 0;

  constructor(private readonly service: string) {}

  send(alert: Alert): void {
    const { key } = alert;
    if (this.underWay.has(key) || this.waiting.some((other) => other.key === key)) return;
    if (Date.now() - (this.sentAt.get(key) ?? -Infinity) < SAME_AGAIN_MS) return;
    this.waiting.push(alert);
    if (this.waiting.length > WAITING) this.leaveOne();
    this.sendWaiting();
  }

  get idle(): boolean {
    return this.underWay.size === 0 && this.waiting.length === 0 && this.notes === 0;
  }

  /** Not delivered yet, pages first: the next run sends them again. */
  pending(): Alert[] {
    const all = [...this.underWay.values(), ...this.waiting];
    const pages = all.filter(({ severity }) => severity === 'page');
    return [...pages, ...all.filter(({ severity }) => severity !== 'page')].slice(0, CARRIED);
  }

  /** For people who look at the artifact; where the store is away, the ledger still has it. */
  annotate(version: string, text: string): void {
    if (this.notes >= NOTES_UNDER_WAY) return;
    this.notes += 1;
    void control.annotateVersion
      .executeWithOptions({ summary: version }, [{ service: this.service, version, at: Date.now(), text }])
      .catch((error) => log.warn('a note was not written', { version, error: String(error) }))
      .finally(() => {
        this.notes -= 1;
      });
  }

  /** A picture of the incident that a decision is about. Runs of before it have none in their histories. */
  draw({ kind, incident, at }: LedgerEntry): void {
    if (incident === null || !PICTURED.has(kind) || this.notes >= NOTES_UNDER_WAY || !patched('incident-picture'))
      return;
    this.notes += 1;
    void control.drawIncident
      .executeWithOptions({ summary: `${incident}, ${kind}` }, [{ service: this.service, incident, at, moment: kind }])
      .catch((error) => log.warn('a picture was not kept', { incident, error: String(error) }))
      .finally(() => {
        this.notes -= 1;
      });
  }

  private sendWaiting(): void {
    while (this.underWay.size < UNDER_WAY) {
      const alert = this.waiting.shift();
      if (!alert) return;
      void this.sendOne(alert);
    }
  }

  private async sendOne(alert: Alert): Promise<void> {
    const { key, title } = alert;
    this.underWay.set(key, alert);
    try {
      await control.sendAlert.executeWithOptions({ summary: inBytes(title) }, [alert]);
      this.remember(key);
    } catch (error) {
      log.warn('an alert was not delivered', { key, error: String(error) });
    }
    this.underWay.delete(key);
    this.sendWaiting();
  }

  private remember(key: string): void {
    this.sentAt.delete(key);
    this.sentAt.set(key, Date.now());
    for (const oldest of this.sentAt.keys()) {
      if (this.sentAt.size <= WAITING) return;
      this.sentAt.delete(oldest);
    }
  }

  private leaveOne(): void {
    const index = this.waiting.findIndex(({ severity }) => severity !== 'page');
    const [left] = this.waiting.splice(Math.max(0, index), 1);
    log.warn('too many alerts wait; the ledger has what this one says', { key: left?.key });
  }
}
