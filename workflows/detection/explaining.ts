import { EXPLAINED } from '../../domain/detection/explained';
import type { StandingEntry } from '../contract/inputs';

/** Verdicts of one kind that began within this time of each other may have one cause. */
const ONE_CAUSE_MS = 2 * 3_600_000;

/**
 * One cause shows in many metrics. Only of the same kind (what is counted by labels, or what users wait for), only near to it
 * in time, only when the verdict is asked for the first time, and no verdict that was explained itself.
 */
export function explains(
  one: StandingEntry,
  { verdict, version, cause }: Pick<StandingEntry, 'verdict' | 'version' | 'cause'>,
): boolean {
  const known = one.cause;
  if (cause !== null || known?.attribution !== 'environment' || one.version !== version) return false;
  if (one.verdict.metric === verdict.metric || known.reasons.some((reason) => reason.includes(EXPLAINED))) return false;
  const [a, b] = [one.verdict.onsetMs ?? one.verdict.sinceMs, verdict.onsetMs ?? verdict.sinceMs];
  const near = a !== null && b !== null && Math.abs(a - b) <= ONE_CAUSE_MS;
  return near && (one.verdict.lcl === null) === (verdict.lcl === null);
}
