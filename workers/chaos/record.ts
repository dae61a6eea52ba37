import { setTimeout as pause } from 'node:timers/promises';
import type { Observations } from '../../domain/chaos/observations';
import type { ChaosResult } from '../../domain/chaos/verdict';
import type { ChaosRecord, ChaosWorld } from './world';

const RECORD_WITHIN_MS = 30_000;

/** A fault may have hit the controller or the ledger: the end is told as soon as somebody takes it. */
export async function recordEnd(world: ChaosWorld, entry: ChaosRecord): Promise<void> {
  const deadline = performance.now() + RECORD_WITHIN_MS;
  for (;;) {
    try {
      return await world.record(entry);
    } catch (fault) {
      if (performance.now() >= deadline) throw fault;
      await pause(500);
    }
  }
}

export function endFacts(
  { verdict, findings, invariants, recoverMs }: ChaosResult,
  { injected, removed, target, outcome }: Observations,
  leftovers: readonly string[],
): ChaosRecord['facts'] {
  return {
    verdict,
    target,
    outcome,
    recoverMs,
    injected: injected && { at: injected.at, sentence: injected.sentence.slice(0, 300) },
    removed: removed && { at: removed.at, sentence: removed.sentence.slice(0, 300) },
    findings: findings.map(({ what, ok, why }) => ({ what, ok, why: why.slice(0, 300) })),
    invariants: invariants.map(({ invariant, holds, why }) => ({ invariant, holds, why: why.slice(0, 200) })),
    leftovers: leftovers.map((line) => line.slice(0, 300)),
  };
}

/** Errors of our own carry their name: `FaultSelectsNothing: …`. */
export function wordsOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault);
  return fault.name.startsWith('Fault') ? `${fault.name}: ${fault.message}` : fault.message;
}
