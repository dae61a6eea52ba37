import { log } from '@temporalio/activity';
import type { ControlActivities } from '../workflows/contract/activities';
import type { Alerts } from './ports';

/** Not one sink took the alert. */
export class AlertUndelivered extends Error {
  override readonly name = 'AlertUndelivered';
}

/** Idempotent by the alert's key: the same key again is the same alert. One sink that took it is enough. */
export function sendAlert({ alerts }: { alerts: Alerts }): ControlActivities['sendAlert'] {
  return async (alert) => {
    const { delivered, failed } = await alerts.send(alert);
    const reasons = failed.map(({ sink, why }) => `${sink}: ${why}`).join('; ');
    if (delivered.length === 0 && failed.length > 0) throw new AlertUndelivered(`${alert.key}: ${reasons}`);
    if (failed.length > 0) log.warn('an alert did not reach every sink', { key: alert.key, reasons });
  };
}
