import type { Alert } from '../../activities/ports';

/** One place that alerts go to. */
export interface AlertSink {
  /** Stands in results and logs; holds no secret and no path of a webhook address. */
  readonly name: string;
  /** Resolves when the alert has arrived; rejects with `AlertUndelivered`. Gives up when `signal` aborts. */
  deliver(alert: Alert, signal: AbortSignal): Promise<void>;
}

/** The message is for people and holds no secret: addresses of webhooks are capabilities, so only their host stands in it. */
export class AlertUndelivered extends Error {
  override readonly name = 'AlertUndelivered';
}

/** A sink cannot be built from this configuration; refused at start, before an alert depends on it. */
export class AlertSinkMisconfigured extends Error {
  override readonly name = 'AlertSinkMisconfigured';
}
