import { stages, type DrillResult, type Stage } from '../drills/results';
import { parts, type Part, type Timing, type Timings } from './timings';

/** With fewer no gain is estimated: two incidents say nothing about the third. */
export const estimateMin = 5;

/** ms; null where nothing was timed. */
export interface Spread {
  readonly n: number;
  readonly p50: number | null;
  readonly p99: number | null;
}

export interface TierExposure {
  readonly tier: string;
  readonly incidents: number;
  readonly parts: Readonly<Record<Part, Spread>>;
  /** The load within the preparation, of the incidents that had one. */
  readonly load: Spread;
  readonly exposed: Spread;
}

/** An estimate from `n` incidents of what they would have been shorter by, ms at the median; null: too few. */
export interface Gain {
  readonly by: 'shorter-window' | 'warm-standby' | 'faster-load';
  readonly tier: string;
  readonly n: number;
  readonly gainMs: number | null;
  /** Of the median exposure of the same incidents; null where it is not known. */
  readonly share: number | null;
}

/** The drills of one way that passed. Nothing is prepared in one, so it has a part less than an incident. */
export interface DrillExposure {
  readonly way: string;
  readonly drills: number;
  readonly parts: Readonly<Record<Stage, Spread>>;
  /** Onset to restored. */
  readonly exposed: Spread;
}

export interface ServiceExposure {
  readonly service: string;
  readonly sinceMs: number;
  readonly incidents: number;
  readonly unsettled: number;
  readonly leftOut: number;
  readonly tiers: readonly TierExposure[];
  readonly gains: readonly Gain[];
  readonly drills: { readonly ways: readonly DrillExposure[]; readonly others: number; readonly leftOut: number };
}

const order = ['immediate', 'short-window', 'trend'];

export function summarise(
  service: string,
  sinceMs: number,
  { settled, unsettled, leftOut, drills: { passed, ...uncounted } }: Timings,
): ServiceExposure {
  const tiers = [...new Set(settled.map(({ tier }) => tier))].sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const grouped = tiers.map((tier) => ({ tier, timings: settled.filter((each) => each.tier === tier) }));
  return {
    service,
    sinceMs,
    incidents: settled.length,
    unsettled,
    leftOut,
    tiers: grouped.map(({ tier, timings }) => ({
      tier,
      incidents: timings.length,
      parts: Object.fromEntries(
        parts.map((part) => [part, spread(timings.map(({ took }) => took[part]))]),
      ) as TierExposure['parts'],
      load: spread(timings.map(({ loadMs }) => loadMs)),
      exposed: spread(timings.map(({ exposed }) => exposed)),
    })),
    gains: grouped.flatMap(({ tier, timings }) => gainsOf(tier, timings)),
    drills: { ways: waysOf(passed), ...uncounted },
  };
}

function waysOf(passed: readonly DrillResult[]): DrillExposure[] {
  const ways = [...new Set(passed.map(({ way }) => way))].sort();
  return ways.map((way) => {
    const drills = passed.filter((each) => each.way === way);
    return {
      way,
      drills: drills.length,
      parts: Object.fromEntries(
        stages.map((stage) => [stage, spread(drills.map(({ took }) => took[stage]))]),
      ) as DrillExposure['parts'],
      exposed: spread(drills.map(({ exposedMs }) => exposedMs)),
    };
  });
}

/**
 * A shorter window: half the detection, the most that a window half as long can save. A warm standby: the whole preparation
 * of cold incidents, less that of warm ones where there are enough. A faster load: half the load of cold ones.
 */
function gainsOf(tier: string, timings: readonly Timing[]): Gain[] {
  const cold = timings.filter(({ loadMs }) => loadMs !== null);
  const warmPrepare = numbers(timings.filter(({ loadMs }) => loadMs === null).map(({ took }) => took.prepare));
  const left = warmPrepare.length >= estimateMin ? (quantile(warmPrepare, 0.5) ?? 0) : null;
  const windowed = tier === 'immediate' ? [] : [gain('shorter-window', tier, timings, ({ took }) => half(took.detect))];
  if (cold.length === 0) return windowed;
  // Without enough warm ones to compare with, only the load itself is sure to go.
  const spared = ({ took, loadMs }: Timing): number | null =>
    left === null ? loadMs : took.prepare === null ? null : Math.max(0, took.prepare - left);
  return [
    ...windowed,
    gain('warm-standby', tier, cold, spared),
    gain('faster-load', tier, cold, ({ loadMs }) => half(loadMs)),
  ];
}

function gain(
  by: Gain['by'],
  tier: string,
  timings: readonly Timing[],
  savedBy: (timing: Timing) => number | null,
): Gain {
  const known = timings.flatMap((timing) => {
    const saved = savedBy(timing);
    return saved === null ? [] : [{ saved, exposed: timing.exposed }];
  });
  const n = known.length;
  if (n < estimateMin) return { by, tier, n, gainMs: null, share: null };
  const gainMs = quantile(
    known.map(({ saved }) => saved),
    0.5,
  );
  const exposed = quantile(numbers(known.map((each) => each.exposed)), 0.5);
  return { by, tier, n, gainMs, share: gainMs === null || exposed === null || exposed <= 0 ? null : gainMs / exposed };
}

function half(ms: number | null): number | null {
  return ms === null ? null : ms / 2;
}

/** By linear interpolation between ranks; null for no values. */
function quantile(values: readonly number[], q: number): number | null {
  const sorted = Float64Array.from(values).sort();
  const position = (sorted.length - 1) * q;
  const lower = sorted[Math.floor(position)];
  const upper = sorted[Math.ceil(position)];
  return lower === undefined || upper === undefined ? null : lower + (upper - lower) * (position % 1);
}

function spread(values: readonly (number | null)[]): Spread {
  const known = numbers(values);
  return { n: known.length, p50: quantile(known, 0.5), p99: quantile(known, 0.99) };
}

function numbers(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}
