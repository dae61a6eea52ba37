import { existsSync } from 'node:fs';
import { median, scaledMad } from '../../domain/detection/robust';
import type { Uniform } from '../calibration/random';
import { NotMeasured } from '../report';
import { readNab } from '../series/nab-corpus';
import { csvFiles, dataFolder, readRecordings, type Recording } from '../series/recordings';

/** How one recorded series behaves while nothing is wrong, relative to its own level (1 = its median). */
export interface Background {
  readonly name: string;
  /** Factor by hour of the day. */
  readonly daily: readonly number[];
  /** What is left of each recorded point, in the recorded order. */
  readonly residuals: readonly number[];
  /** Robust standard deviation of the residuals: the sigma of "+1 sigma". */
  readonly sigma: number;
}

/** A series that hardly moves is no test; one that moves by more than its own level has no level. */
const SIGMA_RANGE = [0.02, 0.5] as const;
const POINTS_MIN = 500;
/** Consecutive residuals that are drawn together: what autocorrelation a series has within an hour stays in it. */
const BLOCK = 60;
const HOUR_MS = 3_600_000;

/** The anomaly-free points of the recordings below `dataDir`; throws {@link NotMeasured} where too few are usable. */
export function readBackgrounds(dataDir: string | undefined): Background[] {
  const cloud = readRecordings(
    dataFolder(dataDir, 'cloud-monitoring', (folder) => existsSync(folder) && csvFiles(folder).length > 0),
  );
  const nab = readNab(dataDir).map((file) => ({
    ...file,
    labels: file.values.map((_, at) => file.windows.some(([first, last]) => at >= first && at <= last)),
  }));
  const found = [...cloud, ...nab].flatMap((recording) => backgroundOf(recording) ?? []);
  if (found.length < 3) throw new NotMeasured(`${dataDir}: only ${found.length} series are fit for a background`);
  return found;
}

export function backgroundOf({ name, times, values, labels }: Recording): Background | null {
  const good = values.flatMap((value, at) =>
    Number.isFinite(value) && labels[at] !== true ? [{ value, hour: hourOf(times[at] ?? 0) }] : [],
  );
  const level = median(good.map(({ value }) => value));
  if (good.length < POINTS_MIN || level === null || !(level > 0)) return null;
  const daily = Array.from(
    { length: 24 },
    (_, hour) => (median(good.flatMap((one) => (one.hour === hour ? [one.value] : []))) ?? level) / level,
  );
  const residuals = good.map(({ value, hour }) => value / level - (daily[hour] ?? 1));
  const sigma = scaledMad(residuals) ?? 0;
  return sigma >= SIGMA_RANGE[0] && sigma <= SIGMA_RANGE[1] ? { name, daily, residuals, sigma } : null;
}

/**
 * One value a minute, relative to the level: the daily pattern by the clock, and recorded residuals in blocks, each
 * recorded step taken for a minute. Never below a twentieth of the level.
 */
export function minuteSeries(background: Background, startMs: number, minutes: number, uniform: Uniform): number[] {
  const { daily, residuals } = background;
  let at = 0;
  let left = 0;
  return Array.from({ length: minutes }, (_, minute) => {
    if (left === 0) {
      at = Math.floor(uniform() * (residuals.length - BLOCK));
      left = BLOCK;
    }
    left -= 1;
    const exact = (startMs / HOUR_MS + minute / 60) % 24;
    const hour = Math.floor(exact);
    const here = daily[hour] ?? 1;
    const expected = here + ((daily[(hour + 1) % 24] ?? here) - here) * (exact - hour);
    return Math.max(0.05, expected + (residuals[at++] ?? 0));
  });
}

function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) % 24;
}
