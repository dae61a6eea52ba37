import { setTimeout as pause } from 'node:timers/promises';
import type { SteadyState } from '../../domain/chaos/experiment';
import type { SteadyLook } from '../../domain/chaos/observations';
import type { Observer } from './observer';
import type { Users } from './users';

const POLL_MS = 50;

/**
 * Waits for the steady state: nothing is in flight, declared and observed route agree and stay the same, and the users that
 * came since are answered. Resolves with what did not hold when the time is over.
 */
export async function awaitSteady(
  plan: SteadyState,
  parts: { readonly observer: Observer; readonly users: Users; readonly signal: AbortSignal },
  withinMs: number,
): Promise<SteadyLook> {
  const { observer, users, signal } = parts;
  const deadline = performance.now() + withinMs;
  let route = '';
  let since = Date.now();
  for (;;) {
    const { state, observed } = await observer.look();
    const now = Date.now();
    const standing = whyNotStanding();
    const seen = JSON.stringify(observed);
    if (standing !== null || seen !== route) {
      route = seen;
      since = now;
    }
    const why = standing ?? whyNotYet(now - since) ?? whyNotServed(now);
    if (why === null) return { holds: true, at: since, why: '' };
    if (signal.aborted || performance.now() >= deadline) return { holds: false, at: now, why };
    await pause(POLL_MS);

    function whyNotStanding(): string | null {
      if (state === null) return 'the service workflow does not answer';
      if (observed === null) return 'the router does not answer';
      const { declared, operation, pausedWhy } = state;
      if (operation !== null) return `${operation.kind} ${operation.id} is in flight (${operation.step})`;
      if (pausedWhy !== null) return `paused: ${pausedWhy}`;
      if (declared === null) return 'nothing is declared live';
      if (declared.epoch === observed.epoch && declared.primary === observed.primary) return null;
      return `declared is ${declared.primary} (epoch ${declared.epoch}), the router has ${observed.primary} (${observed.epoch})`;
    }
  }

  function whyNotYet(stableMs: number): string | null {
    return stableMs >= plan.routeStableMs
      ? null
      : `the route is the same for ${stableMs} ms, not ${plan.routeStableMs}`;
  }

  function whyNotServed(now: number): string | null {
    const { atMost, of } = plan.errors;
    const errors = users.errorsOfLast(of, Math.min(since, now));
    if (errors === null) return `fewer than ${of} requests had an answer since the route is what it is`;
    return errors / of <= atMost ? null : `${errors} of the last ${of} requests failed, at most ${atMost * of} may`;
  }
}
