import type { Alert } from '../../activities/ports';

/** One place that alerts go to. */
export interface AlertSink {
  /** Stands in results and logs; holds no secret and no path of a webhook address. */
  readonly name: string;
  /** Absent: every alert. What it does not take is neither delivered nor failed there. */
  takes?(alert: Alert): boolean;
  /** Resolves when the alert has arrived; rejects with `AlertUndelivered`. Gives up when `signal` aborts. */
  deliver(alert: Alert, signal: AbortSignal): Promise<void>;
  /** Which incident of the service is open now (null: none), for a place that keeps a state of its own. Idempotent. */
  follow?(service: string, open: OpenIncident | null, signal: AbortSignal): Promise<void>;
}

export interface OpenIncident {
  readonly id: string;
  readonly phase: string;
}

/** The message is for people and holds no secret: addresses of webhooks are capabilities, so only their host stands in it. */
export class AlertUndelivered extends Error {
  override readonly name = 'AlertUndelivered';
  /** `final`: the receiver said no, and says so again. */
  constructor(
    message: string,
    readonly final = false,
  ) {
    super(message);
  }
}

/** A sink cannot be built from this configuration; refused at start, before an alert depends on it. */
export class AlertSinkMisconfigured extends Error {
  override readonly name = 'AlertSinkMisconfigured';
}
