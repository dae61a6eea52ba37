import { DependencyHistory, dependencySignal } from '../../adapters/environment/dependency-change';
import { compareHardware, DEFAULT_HOST_RULES } from '../../adapters/environment/hardware-change';
import type { HardwareReading } from '../../adapters/environment/reading-history';
import type { Signal } from '../../adapters/environment/signal-source';
import type { Verdict } from '../../domain/detection/types';
import type { Surroundings, World } from './world';

/** As the shipped environment samples. */
const SAMPLE_MS = 5_000;
const HISTORY_MS = 3_600_000;
const CHECK_MS = 5;
/** How long before the onset a change may have begun, by the look that asks (immediate, and all others). */
const BEFORE_ONSET_MS = { immediate: 60_000, others: 5 * 60_000 };

/** What the shipped rules for host and dependencies find at the moment of a verdict, knowing nothing later. */
export function changesSeen(
  { surroundings }: World,
  { onsetMs, onsetLowMs, onsetHighMs, sinceMs, tier }: Verdict,
  now: number,
): { changed: string[]; unmeasured: string[] } {
  const before = tier === 'immediate' ? BEFORE_ONSET_MS.immediate : BEFORE_ONSET_MS.others;
  const onset = onsetMs ?? sinceMs ?? now;
  const asked = {
    sinceMs: onset - before,
    onset: { lowMs: onsetLowMs ?? onset, highMs: onsetHighMs ?? onset },
  };
  const known = surroundings.filter(({ atMs }) => atMs <= now);
  const kept = known.filter(({ atMs }) => atMs > now - HISTORY_MS);
  const history = new DependencyHistory();
  for (const { atMs, dependencyOk: ok } of known) history.note({ atMs, ok, ms: CHECK_MS, why: '' });
  const signals = [
    ...compareHardware('', kept.flatMap(readings), asked, DEFAULT_HOST_RULES),
    dependencySignal('store', history, { ...asked, slackMs: 2 * SAMPLE_MS, nowMs: now }),
  ];
  const named = (state: Signal['state']): string[] =>
    signals.filter((signal) => signal.state === state).map(({ name }) => name);
  return { changed: named('changed'), unmeasured: named('unmeasured') };
}

/** The readings of one minute. */
function readings({ atMs, cpuBusy, memoryAvailable, diskFree }: Surroundings): HardwareReading[] {
  const perMinute = 60_000 / SAMPLE_MS;
  return Array.from({ length: perMinute }, (_, at) => ({
    atMs: atMs - (perMinute - 1 - at) * SAMPLE_MS,
    values: { cpu: cpuBusy, memory: memoryAvailable, disk: diskFree },
  }));
}
