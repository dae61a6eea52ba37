import type { Telemetry } from '../../activities/ports';
import { unmeasuredUsers, userFindings } from '../../domain/environment/user-behaviour';
import { UserMinutes } from '../../domain/environment/user-minutes';
import type { SignalSource } from './signal-source';

export interface UserSignalOptions {
  readonly services: readonly string[];
  readonly telemetry: Pick<Telemetry, 'window'>;
  readonly everyMs: number;
  readonly now: () => number;
}

/** Rows are written at most one second after what they count. */
const SETTLED_MS = 3_000;
const FIRST_LOOK_MS = 70 * 60_000;
/** Rows that could not be read for so long say nothing of now. */
const STALE_MS = 60_000;
/** Read at once after a pause; what is older than that is not known. */
const BEHIND_MAX_MS = 70 * 60_000;

interface Kept {
  readonly minutes: UserMinutes;
  readTo: number | null;
  failed: string | null;
}

/** Rate, mix and session length of the users of each service, read ahead from the rows of the gateway. */
export function userSignals(options: UserSignalOptions): SignalSource {
  const { telemetry, now } = options;
  const services = new Map<string, Kept>(
    options.services.map((service) => [service, { minutes: new UserMinutes(), readTo: null, failed: null }]),
  );

  async function read(service: string, kept: Kept): Promise<void> {
    const toMs = now() - SETTLED_MS;
    const fromMs = Math.max(kept.readTo ?? toMs - FIRST_LOOK_MS, toMs - BEHIND_MAX_MS);
    if (toMs <= fromMs) return;
    try {
      for (const row of await telemetry.window(service, fromMs, toMs)) {
        // A row that began before was counted with the reading before.
        if (row.cohort === 'live' && row.fromMs >= fromMs) kept.minutes.add(row);
      }
      kept.readTo = toMs;
      kept.failed = null;
    } catch (fault) {
      kept.failed = fault instanceof Error ? fault.message : String(fault);
    }
  }

  return {
    name: 'users',
    everyMs: options.everyMs,
    quick: false,
    async sample() {
      for (const [service, kept] of services) await read(service, kept);
    },
    findings(service, sinceMs, { onset }) {
      const kept = services.get(service);
      if (!kept) return [];
      if (now() - (kept.readTo ?? -Infinity) > Math.max(STALE_MS, 3 * options.everyMs)) {
        const words = kept.failed ?? 'the rows were not read yet';
        return [{ ...unmeasuredUsers(words), more: { readTo: kept.readTo } }];
      }
      const found = userFindings(kept.minutes, sinceMs, kept.readTo ?? now(), onset ?? null);
      return found.map((finding) => ({ ...finding, more: { readTo: kept.readTo } }));
    },
  };
}
