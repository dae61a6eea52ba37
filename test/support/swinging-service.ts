import type { Alert } from '../../domain/alert';
import type { ServicePolicy } from '../../domain/policy';
import { reduce as realReduce } from '../../domain/service/reduce';
import { InvariantWatch } from './service-invariants';
import { servicePolicy } from './service-policy';
import { ServiceSimulator, type Reduce } from './service-simulator';

const minute = 60_000;

/** A service through hours and days in which something is bad; every event of it is watched for broken invariants. */
export class SwingingService extends ServiceSimulator {
  readonly since: number;
  private verdicts = 0;

  /** 1.3 live over 1.2, 1.1 and 1.0, each judged good in its time. */
  constructor(change: Partial<ServicePolicy> = {}, vouched: readonly string[] = [], reduce: Reduce = realReduce) {
    super(servicePolicy(change), reduce, new InvariantWatch(reduce, 40).observe);
    for (const version of ['1.0', '1.1', '1.2', '1.3']) {
      this.say('deploy', { version });
      this.runOperation();
      this.tiers('ok');
      this.quiet(minute);
    }
    for (const version of vouched) this.say('vouch', { version });
    this.since = this.now;
  }

  /** Operations since the service was ready, as `kind from→to`; to where the router really went. */
  get moves(): string[] {
    return [...this.children.values()]
      .filter(({ record, input }) => record !== null && record.epoch >= input.epochs.from && input.kind !== 'deploy')
      .map(({ input, record }) => `${input.kind} ${input.route?.primary ?? '?'}→${record?.primary ?? '?'}`);
  }

  /** What people get: the same key is shown once. */
  get shown(): Alert[] {
    const byKey = new Map<string, Alert>();
    for (const alert of this.alerts) if (alert.at >= this.since && !byKey.has(alert.key)) byKey.set(alert.key, alert);
    return [...byKey.values()];
  }

  titles(severity: Alert['severity']): string[] {
    return this.shown.filter((alert) => alert.severity === severity).map(({ title }) => title);
  }

  entries(kind: string): readonly { summary: string; at: number }[] {
    return this.ledger.filter((entry) => entry.kind === kind && entry.at >= this.since);
  }

  /** Bad for so long on whatever serves, then good again; what an operation needs goes well. */
  bad(ms: number, change: Parameters<ServiceSimulator['verdict']>[1] = {}): void {
    const id = this.begins(change);
    this.runs(ms);
    this.ends(id);
  }

  begins(change: Parameters<ServiceSimulator['verdict']>[1] = {}): string {
    this.verdicts += 1;
    const id = `swing-${this.verdicts}`;
    this.verdict(id, { sentence: `${change.metric ?? 'recall:bulk'} is beyond its limit`, ...change });
    this.runOperation();
    return id;
  }

  /** Detection ends what it reported only while that version serves. */
  ends(id: string): void {
    if (!this.state.degradations.some((entry) => entry.id === id)) return;
    this.verdictEnded(id);
  }

  quiet(ms: number): void {
    if (this.state.degradations.length === 0) this.tiers('ok');
    this.runs(ms);
  }

  /** Time in which copies start and stop as the service asks, and its timers come due. */
  runs(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      this.pass(Math.min(5 * minute, end - this.now));
      this.runOperation();
      while (this.preparing.length > 0) this.prepared(true);
      for (const instance of [...this.retiring.keys()]) this.retirementDone(instance);
      this.drain();
      if (this.state.standby?.proof !== 'failed') this.proof(true);
    }
  }
}
