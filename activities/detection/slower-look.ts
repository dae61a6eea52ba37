import { factorAt } from '../../domain/detection/hour-of-day';
import { quantileLimitMs } from '../../domain/detection/latency-quantile';
import { DECISIVE_NATS, slowerNats, withoutUsual, type PairedLatency } from '../../domain/detection/paired-evidence';
import { buildVerdict, clockText, numberText } from '../../domain/detection/verdict';
import type { CountsRow } from '../../gateway/protocol';
import type { AssessmentInput, ChartStates } from '../../workflows/contract/activities';
import { TIMED } from '../../workflows/contract/charts';
import type { Judged } from './judged';
import { expectedAt, LATENCY, latencyIntervals, latencySpec } from './latency-chart';

/** Slower than usual in the mean of so many of the newest intervals is a suspicion: a look costs little. */
const NEWEST = 6;
/** A decisive look is made again after …, another one after … */
const AGAIN_MS = 2.5 * 60_000;
const LOOK_EVERY_MS = 5 * 60_000;
const LOOK_AGAIN_WITHIN_MS = 15 * 60_000;
/** What is usual between the two copies is learned so often while nothing is suspect, and from so many looks. */
const LEARN_EVERY_MS = 60 * 60_000;
const USUAL_LOOKS = 5;
/** What counts as the load of now. */
const LOAD_MS = 5 * 60_000;
/** No look takes longer than this, nor more than a sixth of the time between two assessments. */
const BUDGET_MS = 15_000;
/** The effect between the copies must itself be worth most of the margin. */
const EFFECT_MARGINS = 0.8;

/** So many times the requests of its history slow a copy for no fault of its version. */
export const HEAVY_LOAD = 2;

export type TimeBoth = (service: string, version: string, budgetMs: number) => Promise<PairedLatency | string>;

interface Confirmed {
  readonly at: number;
  readonly nats: number;
  readonly times: number;
  readonly pairs: number;
}

interface Looks {
  readonly version: string;
  readonly at: number;
  readonly decisive: boolean;
  /** What two looks agreed on; stands until a look disagrees or the suspicion is over. */
  readonly confirmed: Confirmed | null;
  /** Requests a second, as a multiple of those in the history; 1 where that is not known. */
  readonly load: number;
  readonly learnedAt: number;
  readonly usual: readonly number[];
}

/**
 * What the movement of the latency's own history would hide: in the bake period, and when the newest intervals are slower
 * than usual, the same requests are timed on the live copy and on one of another version. Slower by the margin in two looks some minutes apart is degraded,
 * however noisy the service. Both as slow: nothing.
 */
export async function lookWhetherSlower(
  timeBoth: TimeBoth,
  input: AssessmentInput,
  rows: readonly CountsRow[],
): Promise<{ readonly judged: Judged | null; readonly looks: Looks | undefined }> {
  const before = { ...looksOf(input.charts, input.version), load: loadIn(input, rows) };
  const suspicion = suspicionOf(input, rows);
  // Who allows no replay allows no comparison of times either.
  if (suspicion === null || input.policy.replay.maxInputs === 0) return { judged: null, looks: before };
  const { baking, now, policy, service, version } = input;
  const compared = suspicion.suspect || baking === true;
  const confirmedBefore =
    before.confirmed && now - before.confirmed.at <= LOOK_AGAIN_WITHIN_MS ? before.confirmed : null;
  const told = (looks: Looks): { judged: Judged | null; looks: Looks } => ({
    judged: looks.confirmed && judgedOf(input, suspicion, looks.confirmed),
    looks,
  });
  const everyMs = !compared ? LEARN_EVERY_MS : before.decisive && !before.confirmed ? AGAIN_MS : LOOK_EVERY_MS;
  const kept = { ...before, confirmed: compared ? confirmedBefore : null };
  // An idle copy says nothing of one that carries a flood, and a flood needs no further requests.
  if (now - before.at < everyMs || before.load >= HEAVY_LOAD) return told(kept);
  const budgetMs = Math.min(BUDGET_MS, policy.replay.budgetMs, policy.shortWindow.everyMs / 6);
  const found = await timeBoth(service, version, budgetMs);
  // Could not be measured: neither for nor against.
  if (typeof found === 'string') return told({ ...kept, at: now });
  const { nats, times, usualKnown } = weighed(found, before.usual, suspicion.marginRatio);
  const decisive =
    compared && usualKnown && nats >= DECISIVE_NATS && times >= 1 + EFFECT_MARGINS * suspicion.marginRatio;
  const again = decisive && (confirmedBefore !== null || (before.decisive && now - before.at <= LOOK_AGAIN_WITHIN_MS));
  const confirmed = again ? { at: now, nats: round(nats), times: round(times), pairs: found.pairs } : null;
  // A version that was slow from its first minute must not become what is usual: nothing is learned of one that bakes.
  const learns = !suspicion.suspect && baking !== true && now - before.learnedAt >= LEARN_EVERY_MS;
  const learned = learns
    ? { learnedAt: now, usual: [...before.usual, round(found.meanLog)].slice(-USUAL_LOOKS) }
    : { learnedAt: before.learnedAt, usual: before.usual };
  return told({ ...before, ...learned, at: now, decisive, confirmed });
}

/** Evidence that the live version is slower by the margin, with what is usual between the copies taken off. */
function weighed(
  found: PairedLatency,
  usual: readonly number[],
  marginRatio: number,
): { nats: number; times: number; usualKnown: boolean } {
  const apart = withoutUsual(found, usual);
  return { nats: slowerNats(apart, 1 + marginRatio), times: Math.exp(apart.meanLog), usualKnown: apart.usualKnown };
}

/** Requests of the newest minutes against those of the history. */
function loadIn({ baseline, now }: AssessmentInput, rows: readonly CountsRow[]): number {
  const usual = baseline.ratePerSecond['error-rate'];
  const newest = rows.filter(({ fromMs }) => fromMs >= now - LOAD_MS);
  const first = newest[0];
  if (usual === undefined || !(usual > 0) || first === undefined || now - first.fromMs < LOAD_MS / 2) return 1;
  const requests = newest.reduce((sum, row) => sum + row.requests, 0);
  return round(((requests / (now - first.fromMs)) * 1_000) / usual);
}

/** The load at the last assessment, as a multiple of that in the history. */
export function loadOf(charts: ChartStates | undefined, version: string): number {
  return charts === undefined ? 1 : (looksOf(charts, version).load ?? 1);
}

/** How much longer than on the other copy an answer took on the live one while nothing was suspect: logs, newest last. */
export function usualBetween(charts: ChartStates | undefined, version: string): readonly number[] {
  return charts === undefined ? [] : looksOf(charts, version).usual;
}

interface Suspicion {
  readonly suspect: boolean;
  readonly observedMs: number;
  readonly expectedMs: number;
  readonly limitMs: number;
  readonly marginRatio: number;
  readonly intervals: number;
  readonly sinceMs: number;
  readonly baseline: string;
}

/** Null where nothing can be compared. */
function suspicionOf(input: AssessmentInput, rows: readonly CountsRow[]): Suspicion | null {
  const spec = latencySpec(input.policy, input.baseline);
  if (!spec) return null;
  const newest = latencyIntervals(rows, spec.metric.minSamples).slice(-NEWEST);
  const [first, last] = [newest[0], newest[newest.length - 1]];
  const params = last ? expectedAt(spec, last.atMs) : null;
  if (!first || !last || newest.length < NEWEST || params === null) return null;
  const here = factorAt(spec.season, last.atMs);
  const observedMs =
    newest.reduce((sum, { atMs, valueMs }) => sum + (valueMs * here) / factorAt(spec.season, atMs), 0) / newest.length;
  const marginMs = quantileLimitMs(params) - params.baselineMs;
  return {
    suspect: observedMs > params.baselineMs,
    observedMs,
    expectedMs: params.baselineMs,
    limitMs: quantileLimitMs(params),
    marginRatio: marginMs / params.baselineMs,
    intervals: newest.length,
    sinceMs: first.atMs,
    baseline: spec.source,
  };
}

function judgedOf(
  { now, policy }: AssessmentInput,
  { observedMs, expectedMs, limitMs, intervals, sinceMs, baseline }: Suspicion,
  { nats, times, pairs }: Confirmed,
): Judged {
  const tier = policy.metrics.find(({ metric }) => metric === LATENCY)?.tier ?? 'short-window';
  const verdict = buildVerdict({
    kind: 'degraded',
    tier,
    metric: LATENCY,
    observed: observedMs,
    expected: expectedMs,
    ucl: limitMs,
    unit: 'ms',
    samples: intervals,
    sinceMs,
    onsetMs: sinceMs,
    statistic: { name: 'times of both versions (nats)', value: nats, threshold: DECISIVE_NATS, falseAlarmDays: null },
    sentence:
      `${LATENCY} is ${numberText(observedMs)} ms in the mean of ${intervals} intervals since ${clockText(sinceMs)}; its own ` +
      `history says ${numberText(expectedMs)} ms; and the same ${pairs} requests, asked in turn, take ${times.toFixed(2)} times ` +
      `as long as on the version before, in two looks`,
    baseline,
  });
  const reading = {
    tier,
    metric: LATENCY,
    kind: 'degraded' as const,
    observed: observedMs,
    expected: expectedMs,
    limit: limitMs,
    samples: intervals,
    at: now,
  };
  return { reading, verdict };
}

/** What this code did not write is no memory; of another version only what is usual between a loaded and an idle copy. */
function looksOf(charts: ChartStates, version: string): Looks {
  const none: Looks = { version, at: 0, decisive: false, confirmed: null, load: 1, learnedAt: 0, usual: [] };
  const kept = charts[TIMED] as Looks | undefined;
  if (!kept || typeof kept !== 'object' || !Array.isArray(kept.usual)) return none;
  return kept.version === version ? kept : { ...none, learnedAt: kept.learnedAt, usual: kept.usual };
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
