import { setTimeout as pause } from 'node:timers/promises';
import type { FaultProof, Faults, PreparedFault } from '../../../activities/ports';
import type { FaultKind, FaultSpec } from '../../../domain/chaos/experiment';
import type { Json } from '../../../domain/ledger';

/** One kind of fault: as {@link Faults}, for specs of its own kind. */
export interface FaultMaker<K extends FaultKind> {
  prepare(service: string, spec: Extract<FaultSpec, { kind: K }>): Promise<PreparedFault>;
  inject(fault: PreparedFault): ReturnType<Faults['inject']>;
  remove(fault: PreparedFault): ReturnType<Faults['remove']>;
}

export type FaultMakers = { readonly [K in FaultKind]?: FaultMaker<K> };

export function proof(sentence: string, facts: { readonly [key: string]: Json } = {}): FaultProof {
  return { at: Date.now(), sentence, facts };
}

const POLL_MS = 20;

/** Looks until it holds; false when the time is over. */
export async function comesTrue(look: () => boolean | Promise<boolean>, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    if (await look()) return true;
    if (performance.now() >= deadline) return false;
    await pause(POLL_MS);
  }
}
