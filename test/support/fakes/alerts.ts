import type { Alert, Alerts } from '../../../activities/ports';
import { renderAlert } from '../../../adapters/alerts/message';

/** Alerts in memory; `broken` makes every one that is sent fail, as a sink that is down. */
export class FakeAlerts implements Alerts {
  readonly sent: Alert[] = [];
  broken: string | null = null;

  send(alert: Alert): ReturnType<Alerts['send']> {
    const known = this.sent.some(({ key }) => key === alert.key);
    if (!known && this.broken !== null)
      return Promise.resolve({ delivered: [], failed: [{ sink: 'memory', why: this.broken }] });
    if (!known) this.sent.push(alert);
    return Promise.resolve({ delivered: ['memory'], failed: [] });
  }

  texts(): string[] {
    return this.sent.map((alert) => renderAlert(alert));
  }
}
