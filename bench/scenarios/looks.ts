import { DependencyHistory, dependencySignal } from '../../adapters/environment/dependency-change';
import { compareHardware, DEFAULT_HOST_RULES } from '../../adapters/environment/hardware-change';
import type { HardwareReading } from '../../adapters/environment/reading-history';
import type { Signal } from '../../adapters/environment/signal-source';
import type { Verdict } from '../../domain/detection/types';
import { inputFindings } from '../../domain/environment/input-change';
import { userFindings } from '../../domain/environment/user-behaviour';
import { UserMinutes } from '../../domain/environment/user-minutes';
import { sampledInputs } from './sampled-inputs';
import type { Surroundings, World } from './world';

/** As the shipped environment samples. */
const SAMPLE_MS = 5_000;
const HISTORY_MS = 3_600_000;
const CHECK_MS = 5;
const INPUTS_MS = HISTORY_MS;
const USERS_MS = 26 * HISTORY_MS;
/** How long before the onset a change may have begun, by the look that asks (immediate, and all others). */
const BEFORE_ONSET_MS = { immediate: 60_000, others: 5 * 60_000 };

/** What the shipped rules for host, dependencies, users and inputs find at the moment of a verdict, knowing nothing later. */
export function changesSeen(
  world: World,
  { onsetMs, onsetLowMs, onsetHighMs, sinceMs, tier }: Verdict,
  now: number,
): { changed: string[]; unmeasured: string[] } {
  const { rows, surroundings } = world;
  const before = tier === 'immediate' ? BEFORE_ONSET_MS.immediate : BEFORE_ONSET_MS.others;
  const onset = onsetMs ?? sinceMs ?? now;
  const asked = {
    sinceMs: onset - before,
    onset: { lowMs: onsetLowMs ?? onset, highMs: onsetHighMs ?? now },
  };
  const known = surroundings.filter(({ atMs }) => atMs <= now);
  const kept = known.filter(({ atMs }) => atMs > now - HISTORY_MS);
  const history = new DependencyHistory();
  for (const { atMs, dependencyOk: ok } of known) history.note({ atMs, ok, ms: CHECK_MS, why: '' });
  const users = new UserMinutes();
  for (const row of rows) if (row.toMs <= now && row.toMs > now - USERS_MS) users.add(row);
  const signals: Pick<Signal, 'name' | 'state'>[] = [
    ...inputFindings({
      inputs: sampledInputs(world, asked.sinceMs - INPUTS_MS, now),
      beforeMs: asked.sinceMs,
      sinceMs: asked.onset.lowMs,
      validated: null,
      degradation: asked.onset,
    }),
    ...userFindings(users, asked.sinceMs, now, asked.onset),
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
