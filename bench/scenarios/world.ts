import type { CountsRow } from '../../gateway/protocol';
import { sfc32, type Uniform } from '../calibration/random';
import { minuteSeries, type Background } from './backgrounds';
import { HISTORY_MINUTES, isEnvironmentChange, isModelFault, RECENT_MINUTES, type Case, type CaseKind } from './cases';
import { binomial } from './draws';

export const MINUTE_MS = 60_000;
export const BEFORE = '1.0';
export const DEPLOYED = '1.1';
const START_MS = Date.UTC(2026, 2, 2);

/** What a look at the surroundings shows in one minute. */
export interface Surroundings {
  readonly atMs: number;
  readonly cpuBusy: number;
  readonly memoryAvailable: number;
  readonly diskFree: number;
  readonly dependencyOk: boolean;
  readonly dependencyMs: number;
}

/**
 * One deploy with a week before it: rows, memory of the copy, surroundings, one a minute. Of the week only the last six
 * hours are whole, of each hour before them the ten minutes around its middle: nobody reads the rest.
 */
export interface World {
  readonly deployMs: number;
  /** When the fault or change begins; null for a clean deploy. */
  readonly onsetMs: number | null;
  readonly rows: readonly CountsRow[];
  /** Bytes of the live copy at the end of each row. */
  readonly memory: readonly number[];
  readonly surroundings: readonly Surroundings[];
  /** Share of right answers of a class, of the live version and of the one before it on the same inputs. */
  readonly recallAt: (atMs: number) => Readonly<Record<ClassName, { live: number; before: number }>>;
  /** How many times longer than usual an answer takes, of the live copy and of the one before it that carries no load. */
  readonly slownessAt: (atMs: number) => { live: number; before: number };
  readonly inputsShiftedAt: (atMs: number) => boolean;
  /** How much faster a copy without load answers, for no fault of a version. */
  readonly idleFasterLog: number;
  readonly uniform: Uniform;
}

export const CLASSES = { ham: { share: 0.65, recall: 0.96 }, bulk: { share: 0.35, recall: 0.94 } } as const;
export type ClassName = keyof typeof CLASSES;
const NAMES = Object.keys(CLASSES) as ClassName[];

export const MEMORY_LIMIT = 2 ** 30;
const MEMORY_USED = 0.4 * MEMORY_LIMIT;
const REQUESTS = 1_200;
/** A twentieth of the answers gets a label. */
const LABELLED = 0.05;
const LATENCY_MS = 200;
const ERROR_RATE = 0.01;
const TIMEOUT_RATE = 0.002;
const MALFORMED_RATE = 0.001;
const IDLE_FASTER_LOG = 0.12;

/** How far a fault has come: shares and rates that it adds, latency by so many sigmas of its background, as a factor. */
interface Effect {
  errors?: number;
  timeouts?: number;
  sigmas?: number;
  /** Whether the copy of the version before, on the same host and without load, is slower as well. */
  sharedSlowness?: boolean;
  /** Points of recall that are lost, of one class or of all, and whether the version before loses them as well. */
  lost?: Partial<Record<ClassName, number>>;
  sharedLoss?: boolean;
  leakBytes?: number;
  bulkShare?: number;
  cpuBusy?: number;
  traffic?: number;
  dependencyDown?: boolean;
}

/** Draws a world for a case; the same case gives the same world. */
export function makeWorld(of: Case, backgrounds: readonly Background[]): World {
  const uniform = sfc32(of.seed);
  const pick = (): Background => backgrounds[Math.floor(uniform() * backgrounds.length)] as Background;
  const [anyLatency, trafficOf, errorsOf, hostOf] = [pick(), pick(), pick(), pick()];
  const latencyOf = stretched(anyLatency, leastSigma(of.kind));
  const deployMs = START_MS + Math.floor(uniform() * 7 * 1_440) * MINUTE_MS;
  const changeAfter = changeMinutes(of.kind, uniform);
  const onsetMs = of.kind === 'clean' ? null : deployMs + changeAfter * MINUTE_MS;
  const fromMs = deployMs - HISTORY_MINUTES * MINUTE_MS;
  const minutes = HISTORY_MINUTES + changeAfter + of.minutes;
  const series = (background: Background): number[] => minuteSeries(background, fromMs, minutes, uniform);
  const [latency, traffic, errors, host] = [series(latencyOf), series(trafficOf), series(errorsOf), series(hostOf)];
  const effectAt = (atMs: number): Effect =>
    onsetMs === null || atMs < onsetMs ? {} : effectOf(of.kind, (atMs - onsetMs) / MINUTE_MS);
  const recallAt: World['recallAt'] = (atMs) => {
    const { lost = {}, sharedLoss = false } = effectAt(atMs);
    const one = (name: ClassName): { live: number; before: number } => {
      const live = CLASSES[name].recall - (lost[name] ?? 0);
      return { live, before: sharedLoss ? live : CLASSES[name].recall };
    };
    return { ham: one('ham'), bulk: one('bulk') };
  };
  const idleFasterLog = IDLE_FASTER_LOG * uniform();
  const slownessAt: World['slownessAt'] = (atMs) => {
    const { sigmas = 0, sharedSlowness = false } = effectAt(atMs);
    const level = Math.max(0.05, latency[Math.floor((atMs - fromMs) / MINUTE_MS)] ?? 1);
    const slower = 1 + latencyOf.sigma * sigmas;
    return { live: level * slower, before: level * (sharedSlowness ? slower : 1) };
  };
  const inputsShiftedAt = (atMs: number): boolean => effectAt(atMs).bulkShare !== undefined;
  const rows: CountsRow[] = [];
  const memory: number[] = [];
  const surroundings: Surroundings[] = [];
  for (let minute = 0; minute < minutes; minute += 1) {
    const atMs = fromMs + minute * MINUTE_MS;
    if (!isRead(minute, atMs)) continue;
    const effect = effectAt(atMs);
    // A flood is one at any hour: so many times what is usual, not what the night has.
    const usualTraffic = clamp(traffic[minute] ?? 1, effect.traffic === undefined ? 0.2 : 1, 3);
    const requests = Math.round(REQUESTS * usualTraffic * (effect.traffic ?? 1));
    // The level of errors moves as well, by what its margin forgives.
    const usual = ERROR_RATE * clamp(errors[minute] ?? 1, 0.75, 1.25);
    const failures = binomial(requests, Math.min(1, usual + (effect.errors ?? 0)), uniform);
    const timeouts = Math.min(requests, binomial(requests, TIMEOUT_RATE + (effect.timeouts ?? 0), uniform));
    const p95Ms = LATENCY_MS * slownessAt(atMs).live;
    const recall = recallAt(atMs);
    const bulkShare = effect.bulkShare ?? CLASSES.bulk.share;
    const labels: CountsRow['labels'] = {};
    const predicted: Record<string, number> = {};
    for (const name of NAMES) {
      const share = name === 'bulk' ? bulkShare : 1 - bulkShare;
      const n = binomial(Math.round(requests * LABELLED), share, uniform);
      labels[name] = { n, correct: binomial(n, recall[name].live, uniform) };
      predicted[name] = Math.round(requests * share);
    }
    rows.push({
      kind: 'counts',
      seq: minute + 1,
      fromMs: atMs,
      toMs: atMs + MINUTE_MS,
      version: atMs < deployMs ? BEFORE : DEPLOYED,
      epoch: atMs < deployMs ? 1 : 2,
      cohort: 'live',
      requests,
      failures,
      timeouts,
      clientErrors: 0,
      malformed: binomial(requests, MALFORMED_RATE, uniform),
      repeated: 0,
      cut: 0,
      latency: { count: requests, sumMs: requests * p95Ms, p50Ms: p95Ms / 2, p95Ms, p99Ms: p95Ms, maxMs: p95Ms },
      predicted,
      scoreSum: 0,
      scoreCount: 0,
      labels,
    });
    const noise = (host[minute] ?? 1) - 1;
    memory.push(MEMORY_USED * (1 + 0.02 * clamp(noise, -1, 1)) + (effect.leakBytes ?? 0));
    surroundings.push({
      atMs: atMs + MINUTE_MS,
      cpuBusy: effect.cpuBusy ?? clamp(0.35 * (1 + noise), 0.02, 0.9),
      memoryAvailable: clamp(0.5 - 0.05 * noise, 0.2, 0.8),
      diskFree: 0.4,
      dependencyOk: effect.dependencyDown !== true,
      dependencyMs: 20 * Math.max(0.2, 1 + 0.2 * noise),
    });
  }
  return {
    deployMs,
    onsetMs,
    rows,
    memory,
    surroundings,
    recallAt,
    slownessAt,
    inputsShiftedAt,
    idleFasterLog,
    uniform,
  };
}

/** Half of a version's faults begin with it, the others and all changes around it at any time of its first ten hours. */
function changeMinutes(kind: CaseKind, uniform: Uniform): number {
  const later = isEnvironmentChange(kind) || (isModelFault(kind) && uniform() < 0.5);
  return later ? Math.floor(uniform() * 600) : 0;
}

/**
 * A sigma below the practical margin of a quarter is no degradation to anybody: where the latency is moved by one or two of
 * them, a steadier background is stretched until one is beyond the margin.
 */
function leastSigma(kind: CaseKind): number {
  return kind === 'plus1' || kind === 'plus2' ? 0.3 : 0;
}

function stretched(background: Background, sigma: number): Background {
  const factor = sigma / background.sigma;
  if (!(factor > 1)) return background;
  return { ...background, sigma, residuals: background.residuals.map((residual) => residual * factor) };
}

/** Six hours before the deploy and all after it, and ten minutes of each hour of the week before. */
function isRead(minute: number, atMs: number): boolean {
  if (minute >= HISTORY_MINUTES - RECENT_MINUTES) return true;
  const ofHour = (atMs / MINUTE_MS) % 60;
  return ofHour >= 25 && ofHour < 35;
}

function effectOf(kind: CaseKind, minutes: number): Effect {
  switch (kind) {
    case 'crash':
      return { errors: 1 };
    case 'timeouts':
      return { timeouts: 0.5 };
    case 'errors':
      return { errors: 0.02 };
    case 'plus2':
      return { sigmas: 2 };
    case 'plus1':
      return { sigmas: 1 };
    case 'memory':
      return { leakBytes: minutes * 6 * 2 ** 20 };
    case 'drift': {
      const lost = 0.1 * Math.min(1, minutes / 240);
      return { lost: { ham: lost, bulk: lost } };
    }
    case 'oneclass':
      return { lost: { bulk: 0.1 } };
    case 'both':
      return { lost: { bulk: 0.1 }, cpuBusy: 0.98 };
    case 'input-shift':
      return { lost: { bulk: 0.1, ham: 0.06 }, sharedLoss: true, bulkShare: 0.5 };
    case 'host':
      return { cpuBusy: 0.98, sigmas: 4, sharedSlowness: true, timeouts: 0.03 };
    case 'dependency':
      return { dependencyDown: true, errors: 0.05, sigmas: 2, sharedSlowness: true };
    case 'traffic':
      return { traffic: 3, sigmas: 4, timeouts: 0.03 };
    case 'clean':
      return {};
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
