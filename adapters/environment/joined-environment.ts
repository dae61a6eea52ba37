import { setTimeout as pause } from 'node:timers/promises';
import type { Environment } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import type { Signal, SignalSource } from './signal-source';

export interface JoinedEnvironment extends Environment {
  /** Every source reads once; their timers do the same. */
  sample(): Promise<void>;
  close(): void;
}

/** Users wait while a known state is asked for: a quick source gets so long to look once more. */
const QUICK_MS = 80;

/**
 * All that is around a model, read beside every tier. Each source reads by its own timer, so that the cause of an
 * immediate verdict can be answered from what is known; only looks of some milliseconds are taken at that moment.
 */
export function joinEnvironment(sources: readonly SignalSource[]): JoinedEnvironment {
  const running = new Map<SignalSource, Promise<void>>();
  /** What is slow must not pile up samples behind it. */
  const sampleOf = (source: SignalSource): Promise<void> => {
    const now = running.get(source) ?? source.sample().finally(() => running.delete(source));
    running.set(source, now);
    return now;
  };
  // A reading that fails is missing from the history, and the findings say so.
  const quietly = (source: SignalSource): Promise<void> => sampleOf(source).catch(() => undefined);
  const timers = sources.map((source) => setInterval(() => void quietly(source), source.everyMs).unref());

  async function look(source: SignalSource, known: boolean): Promise<void> {
    if (!known) return await quietly(source);
    if (source.quick) await Promise.race([quietly(source), pause(QUICK_MS, undefined, { ref: false })]);
  }

  return {
    sample: async () => {
      await Promise.all(sources.map(sampleOf));
    },
    close: () => timers.forEach(clearInterval),
    async assess(service, sinceMs, about = {}) {
      const found = await Promise.all(
        sources.map(async (source) => {
          await look(source, about.known === true);
          try {
            return await source.findings(service, sinceMs, about);
          } catch (fault) {
            // The others still say what they know.
            return [failed(source.name, fault)];
          }
        }),
      );
      return said(found.flat());
    },
  };
}

function failed(name: string, fault: unknown): Signal {
  const words = fault instanceof Error ? fault.message : String(fault);
  const nothing = { observed: null, before: null, limit: null, onsetMs: null, samples: 0 };
  return { ...nothing, name, state: 'unmeasured', words, where: name };
}

function said(signals: readonly Signal[]): Awaited<ReturnType<Environment['assess']>> {
  const named = (state: Signal['state']): string[] =>
    signals.filter((signal) => signal.state === state).map(({ name }) => name);
  return {
    changed: named('changed'),
    unmeasured: named('unmeasured'),
    facts: Object.fromEntries(signals.map((signal) => [signal.name, factsOf(signal)])),
  };
}

function factsOf({ name: _, more, ...finding }: Signal): Json {
  return { ...finding, ...more };
}
