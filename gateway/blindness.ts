import { request } from 'undici';
import type { Service } from './service';

const CHECK_MS = 500;
const RETRY_MS = 5_000;
const ANSWER_MS = 5_000;

/**
 * One webhook when nobody has read a service's telemetry for `afterMs`, and one when it is read again: the only alarm
 * that does not need the controller. A webhook that is not taken (2xx) is sent again every 5 s until the state changes.
 */
export class Blindness {
  private readonly told = new Map<string, 'seen' | 'blind'>();
  private readonly nextTryMs = new Map<string, number>();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly services: readonly Service[],
    private readonly webhook: { readonly url: string; readonly afterMs: number },
  ) {
    this.timer = setInterval(() => this.check(Date.now()), CHECK_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private check(nowMs: number): void {
    for (const service of this.services) {
      const { name } = service.config;
      const state = !service.isDetached && nowMs - service.readAtMs > this.webhook.afterMs ? 'blind' : 'seen';
      if ((this.told.get(name) ?? 'seen') === state || (this.nextTryMs.get(name) ?? 0) > nowMs) continue;
      this.nextTryMs.set(name, nowMs + RETRY_MS);
      void this.post(name, state, service.readAtMs);
    }
  }

  private async post(service: string, state: 'seen' | 'blind', readAtMs: number): Promise<void> {
    const since = new Date(readAtMs).toISOString();
    const text =
      state === 'blind'
        ? `nobody has read the telemetry of ${service} since ${since}: traffic goes on, nothing watches it`
        : `the telemetry of ${service} is read again`;
    try {
      const { statusCode, body } = await request(this.webhook.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ type: `lastgood.gateway.${state}`, service, lastReadAt: since, text }),
        headersTimeout: ANSWER_MS,
        bodyTimeout: ANSWER_MS,
      });
      await body.dump();
      if (statusCode < 300) {
        this.told.set(service, state);
        this.nextTryMs.delete(service);
      }
    } catch {
      // Tried again by the next check after RETRY_MS.
    }
  }
}
