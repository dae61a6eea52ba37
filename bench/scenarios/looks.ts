import { dependencyState, noteCheck, type DependencyHistory } from '../../adapters/environment/dependencies';
import { compareHost, DEFAULT_HOST_RULES } from '../../adapters/environment/host-change';
import type { HostReading } from '../../adapters/environment/host-readings';
import type { Verdict } from '../../domain/detection/types';
import type { Surroundings, World } from './world';

/** As the shipped environment samples. */
const SAMPLE_MS = 5_000;
const HISTORY_MS = 3_600_000;
/** How long before the onset a change may have begun, by the look that asks (immediate, and all others). */
const BEFORE_ONSET_MS = { immediate: 60_000, others: 5 * 60_000 };

/** What the shipped rules for host and dependencies find at the moment of a verdict, knowing nothing later. */
export function changesSeen(
  { surroundings }: World,
  { onsetMs, sinceMs, tier }: Verdict,
  now: number,
): { changed: string[]; unmeasured: string[] } {
  const before = tier === 'immediate' ? BEFORE_ONSET_MS.immediate : BEFORE_ONSET_MS.others;
  const since = (onsetMs ?? sinceMs ?? now) - before;
  const known = surroundings.filter(({ atMs }) => atMs <= now);
  const kept = known.filter(({ atMs }) => atMs > now - HISTORY_MS);
  const changed: string[] = [];
  const unmeasured: string[] = [];
  const note = (name: string, state: 'same' | 'changed' | 'unmeasured'): void => {
    if (state === 'changed') changed.push(name);
    if (state === 'unmeasured') unmeasured.push(name);
  };
  for (const { metric, state } of compareHost(kept.flatMap(readings), since, DEFAULT_HOST_RULES)) note(metric, state);
  const history: DependencyHistory = { lastOkAt: null, failingSince: null, last: null };
  for (const { atMs, dependencyOk: ok } of known) noteCheck(history, { atMs, ok, why: '' });
  note('dependency:store', dependencyState(history, since, 2 * SAMPLE_MS));
  return { changed, unmeasured };
}

/** The readings of one minute. */
function readings({ atMs, cpuBusy, memoryAvailable, diskFree }: Surroundings): HostReading[] {
  const perMinute = 60_000 / SAMPLE_MS;
  return Array.from({ length: perMinute }, (_, at) => ({
    atMs: atMs - (perMinute - 1 - at) * SAMPLE_MS,
    cpuBusy,
    memoryAvailable,
    diskFree,
  }));
}
