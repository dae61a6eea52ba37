/** State of a machine at one moment, by metric; null where it could not be read. */
export interface HardwareReading {
  readonly atMs: number;
  readonly values: Readonly<Record<string, number | null>>;
}

const COARSE_MS = 5 * 60_000;
const COARSE_KEPT_MS = 14 * 86_400_000;

/**
 * Readings of one machine: all of the last hour, then medians of five minutes for two weeks, so that a cause can be asked
 * for whose effect took days. Bounded by time.
 */
export class ReadingHistory {
  private readonly fine: HardwareReading[] = [];
  private readonly coarse: HardwareReading[] = [];
  private leaving: HardwareReading[] = [];

  constructor(
    private readonly fineMs = 3_600_000,
    private readonly coarseKeptMs = COARSE_KEPT_MS,
  ) {}

  add(reading: HardwareReading): void {
    // A clock that was set back would mix up before and after.
    if ((this.newest?.atMs ?? -Infinity) >= reading.atMs) return;
    this.fine.push(reading);
    const oldest = reading.atMs - this.fineMs;
    for (let first = this.fine[0]; first && first.atMs < oldest; first = this.fine[0]) {
      this.fine.shift();
      this.leave(first);
    }
    while ((this.coarse[0]?.atMs ?? Infinity) < reading.atMs - this.coarseKeptMs) this.coarse.shift();
  }

  get newest(): HardwareReading | null {
    return this.fine[this.fine.length - 1] ?? null;
  }

  /** Oldest first. */
  all(): HardwareReading[] {
    return [...this.coarse, ...this.fine];
  }

  private leave(reading: HardwareReading): void {
    const slot = (atMs: number): number => Math.floor(atMs / COARSE_MS);
    const first = this.leaving[0];
    if (first && slot(first.atMs) !== slot(reading.atMs)) {
      this.coarse.push(medianReading(this.leaving));
      this.leaving = [];
    }
    this.leaving.push(reading);
  }
}

function medianReading(readings: readonly HardwareReading[]): HardwareReading {
  const values: Record<string, number | null> = {};
  for (const metric of new Set(readings.flatMap((reading) => Object.keys(reading.values))))
    values[metric] = median(readings.map((reading) => reading.values[metric] ?? null));
  return { atMs: readings[0]?.atMs ?? 0, values };
}

/** Of what is known; null where nothing is. */
export function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((left, right) => left - right);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
