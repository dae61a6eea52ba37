import { compareHardware, type HardwareRules } from './hardware-change';
import { ReadingHistory, type HardwareReading } from './reading-history';
import type { SignalSource } from './signal-source';

/** Something that tells the state of one machine. */
export interface HardwareReader {
  /** Rejects where it cannot be asked, with a sentence that says why. */
  read(): Promise<HardwareReading>;
  /** What was before the first reading, where the source knows it; oldest first. */
  history?(): Promise<readonly HardwareReading[]>;
}

export interface HardwareSignalOptions {
  /** Empty for this host. */
  readonly machine: string;
  readonly reader: HardwareReader;
  readonly rules: HardwareRules;
  readonly everyMs: number;
  readonly quick: boolean;
  /** Services that run there; null: every one. */
  readonly services: ReadonlySet<string> | null;
  readonly historyMs?: number;
  readonly now: () => number;
}

/** A reading this much older than the interval is not what is now. */
const STALE_INTERVALS = 3;
const STALE_MIN_MS = 5_000;

/** The state of one machine against its own history. */
export function hardwareSignals(options: HardwareSignalOptions): SignalSource {
  const { machine, reader, rules, everyMs, now, services } = options;
  const history = new ReadingHistory(options.historyMs);
  let isFirst = true;
  let failed: string | null = null;

  async function recall(): Promise<void> {
    isFirst = false;
    try {
      for (const reading of (await reader.history?.()) ?? []) history.add(reading);
    } catch {
      // Then the history begins now.
    }
  }

  return {
    name: machine === '' ? 'host' : machine,
    everyMs,
    quick: options.quick,
    async sample() {
      if (isFirst) await recall();
      try {
        history.add(await reader.read());
        failed = null;
      } catch (fault) {
        failed = fault instanceof Error ? fault.message : String(fault);
        throw fault;
      }
    },
    findings(service, sinceMs, { onset }) {
      if (services !== null && !services.has(service)) return [];
      const newest = history.newest;
      const ageMs = newest === null ? Infinity : now() - newest.atMs;
      const signals = compareHardware(machine, history.all(), { sinceMs, ...(onset ? { onset } : {}) }, rules);
      const stale = ageMs > Math.max(STALE_MIN_MS, STALE_INTERVALS * everyMs);
      return signals.map((signal) => {
        const more = { ...signal.more, ageMs: Number.isFinite(ageMs) ? ageMs : null };
        if (!stale) return { ...signal, more };
        const words = failed ?? 'could not be read lately';
        return { ...signal, state: 'unmeasured', words, more };
      });
    },
  };
}
