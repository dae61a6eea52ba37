import type { Attribution } from '../../domain/detection/attribution';
import { percentText } from '../../domain/detection/verdict';

/** Calls of one service (or of one dependency) in one stretch of time. */
export interface CallLoad {
  /** Calls a minute. */
  readonly perMinute: number;
  /** Share of failed calls, 0–1. */
  readonly failed: number;
  readonly meanMs: number;
}

/** The same before the onset and since. */
export interface CallChange {
  readonly name: string;
  readonly before: CallLoad;
  readonly since: CallLoad;
}

/** What the degradation is about: calls that fail, or time that they take. */
export type Burden = 'failures' | 'time';

/** From this share of the service's own excess on, what it calls explains it. */
const EXPLAINED = 0.5;
/** Traffic that grew by this much since the onset explains time and failures by itself. */
const GROWN = 1.5;

/** Failures a minute, or milliseconds of work a minute, beyond what as many calls would have had before; never below 0. */
export function excessOf({ before, since }: CallChange, burden: Burden): number {
  const each = burden === 'failures' ? since.failed - before.failed : since.meanMs - before.meanMs;
  return Number.isFinite(each) ? Math.max(0, each * since.perMinute) : 0;
}

/**
 * Whether what a service calls explains its degradation. Times add along a call and failures are passed on, so the
 * excess of a dependency is a part of its caller's: half of it, and the cause lies behind the service. An excess
 * that only the service itself has began there. `dependencies` are the direct ones; of a dependency with other callers
 * its whole excess counts, which favours the environment. Null: the service itself has no excess.
 */
export function causeByCalls(
  service: CallChange,
  dependencies: readonly CallChange[],
  burden: Burden,
): { attribution: Exclude<Attribution, 'undetermined'>; reasons: string[] } | null {
  const own = excessOf(service, burden);
  if (!(own > 0)) return null;
  const what = burden === 'failures' ? 'failed calls' : 'time in calls';
  if (service.since.perMinute >= GROWN * service.before.perMinute && service.before.perMinute > 0) {
    const times = (service.since.perMinute / service.before.perMinute).toFixed(1);
    return { attribution: 'environment', reasons: [`its traffic is ${times} times what it was before the onset`] };
  }
  const parts = dependencies
    .map((one) => ({ name: one.name, share: excessOf(one, burden) / own }))
    .filter(({ share }) => share > 0)
    .sort((left, right) => right.share - left.share);
  const explained = parts.reduce((sum, { share }) => sum + share, 0);
  const [worst] = parts;
  if (worst && explained >= EXPLAINED) {
    const share = percentText(Math.min(1, worst.share));
    return { attribution: 'environment', reasons: [`${share} of its additional ${what} is that of ${worst.name}`] };
  }
  const reason = `what it calls has ${percentText(explained)} of its additional ${what}: it began at the service itself`;
  return { attribution: 'model', reasons: [reason] };
}
