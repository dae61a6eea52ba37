import { mannKendall, theilSenSlope } from './robust';
import type { Tier, ValuePoint, Verdict } from './types';
import { buildVerdict, clockText, durationText, numberText } from './verdict';

const MAX_SAMPLES = 32;
/** Caches fill for a while after a start: within it only a growth that would not outlast it is called a leak. */
const WARM_UP_MS = 20 * 60_000;
const MIB = 1024 * 1024;

/** JSON-serialisable, at most 32 samples of [s since startMs, KiB]: when full, every second one goes and the step doubles. */
export interface MemoryState {
  startMs: number | null;
  stepMs: number;
  samples: [seconds: number, kib: number][];
  unmeasured: number;
}

export interface MemoryParams {
  limitBytes: number;
  /** Begin with at most one sample in this time (default 5 s). */
  firstStepMs?: number;
  /** A projected exhaustion nearer than this is a degradation (default 2 h) … */
  horizonMs?: number;
  /** … when it also grew by this share of the limit since the first sample (default .05). */
  minGrowthShare?: number;
  /** Fewer samples are `inconclusive` (default 12). */
  minSamples?: number;
}

export interface MemoryVerdictOptions {
  metric: string;
  tier: Tier;
  baseline: string;
  nowMs: number;
  staleMs: number;
}

export function initialMemory(): MemoryState {
  return { startMs: null, stepMs: 0, samples: [], unmeasured: 0 };
}

/** Folds one measurement in bytes. Begin anew when the process is restarted: a restart is not a fall. */
export function stepMemory(state: MemoryState, params: MemoryParams, point: ValuePoint): MemoryState {
  const { value, atMs } = point;
  if (value === null || !Number.isFinite(value) || value < 0 || !Number.isFinite(atMs)) {
    return { ...state, unmeasured: state.unmeasured + 1 };
  }
  const startMs = state.startMs ?? atMs;
  const stepMs = state.stepMs || (params.firstStepMs ?? 5_000);
  const last = state.samples[state.samples.length - 1];
  if (last !== undefined && atMs - startMs < last[0] * 1000 + stepMs) return state;
  const samples = [
    ...state.samples,
    [Math.round((atMs - startMs) / 1000), Math.round(value / 1024)] as [number, number],
  ];
  if (samples.length <= MAX_SAMPLES) return { ...state, startMs, stepMs, samples };
  return { ...state, startMs, stepMs: stepMs * 2, samples: samples.filter((_, index) => index % 2 === 0) };
}

/**
 * Theil–Sen slope and the time at which the limit is reached at the pace of the newer half. Degraded when it rises
 * (Mann–Kendall p < .001), in the newer half too (a start that fills caches and then stays flat is no leak), by a share
 * that matters, and the limit is near: within the horizon, and while it may still be warming up within the rest of that
 * time. Expected and limits are slopes of zero and of "limit at the horizon", in MiB per hour.
 */
export function assessMemory(state: MemoryState, params: MemoryParams, options: MemoryVerdictOptions): Verdict {
  const horizonMs = params.horizonMs ?? 2 * 3600_000;
  const points = state.samples.map(([x, y]) => ({ x, y }));
  const last = points[points.length - 1];
  const common = { tier: options.tier, metric: options.metric, unit: 'MiB/h', baseline: options.baseline, expected: 0 };
  const newestMs = last === undefined || state.startMs === null ? null : state.startMs + last.x * 1000;
  const statisticOf = (value: number): Verdict['statistic'] => ({
    name: 'Mann–Kendall z',
    value,
    threshold: 3.09,
    falseAlarmDays: null,
  });
  if (last === undefined || newestMs === null || options.nowMs - newestMs > options.staleMs + state.stepMs) {
    const sentence = `${options.metric}: no measurement of memory`;
    return buildVerdict({ ...common, kind: 'unmeasured', statistic: statisticOf(0), sentence });
  }
  const values = points.map((point) => point.y);
  const test = mannKendall(values);
  const newer = points.slice(Math.floor(points.length / 2));
  const kibPerSecond = theilSenSlope(newer) ?? 0;
  const slope = (kibPerSecond * 3600) / 1024;
  const leftKib = params.limitBytes / 1024 - last.y;
  const toLimitMs = kibPerSecond > 0 ? (Math.max(0, leftKib) / kibPerSecond) * 1000 : Infinity;
  const seen = {
    ...common,
    observed: slope,
    ucl: (Math.max(0, leftKib) / (horizonMs / 1000)) * (3600 / 1024),
    samples: points.length,
    sinceMs: state.startMs,
    statistic: statisticOf(test.z),
  };
  const text = `memory is at ${mib(last.y)} of ${numberText(params.limitBytes / MIB)} MiB`;
  // Twice, because one reading of several processes may count the same pages more than once.
  if (leftKib <= 0 && (points[points.length - 2]?.y ?? 0) >= params.limitBytes / 1024) {
    const sentence = `${text}: the limit is reached`;
    return buildVerdict({ ...seen, kind: 'degraded', hard: true, sentence });
  }
  if (points.length < (params.minSamples ?? 12)) {
    const sentence = `${text}; ${points.length} samples are too few for a slope`;
    return buildVerdict({ ...seen, kind: 'inconclusive', sentence });
  }
  const newerRises = mannKendall(newer.map((point) => point.y)).pRising < 0.05;
  const grewShare = (last.y - (values[0] ?? last.y)) / (params.limitBytes / 1024);
  const leaks = test.pRising < 0.001 && newerRises && grewShare >= (params.minGrowthShare ?? 0.05);
  const warmUpLeftMs = WARM_UP_MS - last.x * 1000;
  const nearMs = warmUpLeftMs > 0 ? Math.min(horizonMs, warmUpLeftMs) : horizonMs;
  if (!leaks || toLimitMs > nearMs) {
    const trend = leaks ? `, rising ${numberText(slope)} MiB/h, limit in ${durationText(toLimitMs)}` : ', not rising';
    return buildVerdict({ ...seen, kind: 'ok', sentence: `${text}${trend}` });
  }
  return buildVerdict({
    ...seen,
    kind: 'degraded',
    onsetMs: state.startMs,
    onsetLowMs: state.startMs,
    onsetHighMs: newestMs,
    sentence:
      `${text} and rises by ${numberText(slope)} MiB/h since ${clockText(state.startMs ?? newestMs)}; ` +
      `it reaches the limit in ${durationText(toLimitMs)}`,
  });
}

function mib(kib: number): string {
  return `${numberText(kib / 1024)} MiB`;
}
