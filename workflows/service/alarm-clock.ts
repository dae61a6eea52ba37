import { CancellationScope, log, sleep } from '@temporalio/workflow';

/** A server refuses longer timers at some length; a due moment further away is looked at again then. */
const LONGEST_MS = 30 * 86_400_000;
/** A moment that its tick did not consume is a fault of a rule: it must not wake the service without an end. */
const UNCONSUMED_MS = 60_000;

/** One timer for the next moment at which time alone decides something; armed anew only when that moment changed. */
export class AlarmClock {
  private armed: { readonly at: number; readonly scope: CancellationScope } | null = null;
  private rangAt = -Infinity;
  private ringing = false;

  get due(): boolean {
    return this.ringing;
  }

  /** True once for each time it rang. */
  take(): boolean {
    const rang = this.ringing;
    this.ringing = false;
    if (rang) this.rangAt = Date.now();
    return rang;
  }

  set(nextAt: () => number | null): void {
    const at = this.momentOf(nextAt);
    if (this.armed?.at === at) return;
    this.armed?.scope.cancel();
    this.armed = null;
    if (at === null) return;
    const scope = new CancellationScope();
    this.armed = { at, scope };
    const waitMs = at <= this.rangAt ? UNCONSUMED_MS : at - Date.now();
    void scope
      .run(async () => {
        await sleep(Math.min(LONGEST_MS, Math.max(1, waitMs)), { summary: 'next decision by time alone' });
        this.armed = null;
        this.ringing = true;
      })
      .catch(() => undefined);
  }

  /** A rule that fails here must not fail the workflow task for ever. */
  private momentOf(nextAt: () => number | null): number | null {
    try {
      return nextAt();
    } catch (error) {
      log.error('the next due moment could not be told', { error: String(error) });
      return this.rangAt;
    }
  }
}
