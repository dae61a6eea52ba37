import { factorAt } from '../../domain/detection/hour-of-day';
import { quantileLimitMs } from '../../domain/detection/latency-quantile';
import { DECISIVE_NATS, slowerNats, withoutUsual, type PairedLatency } from '../../domain/detection/paired-evidence';
import { buildVerdict, clockText, numberText } from '../../domain/detection/verdict';
import type { CountsRow } from '../../gateway/protocol';
import type { AssessmentInput, ChartStates } from '../../workflows/contract/activities';
import type { Judged } from './judged';
import { expectedAt, LATENCY, latencyIntervals, latencySpec } from './latency-chart';

/** Under this name the looks travel in the charts of the detection workflow. */
export const TIMED = '#timed';

/** The newest intervals that make a suspicion, and how far beyond the expected time in margins. */
const NEWEST = 10;
const SUSPECT_MARGINS = 0.5;
/** Two decisive looks, neither nearer to each other than … nor further apart than … */
const LOOK_EVERY_MS = 4 * 60_000;
const LOOK_AGAIN_WITHIN_MS = 15 * 60_000;
/** What is usual between the two copies is learned so often while nothing is suspect, and from so many looks. */
const LEARN_EVERY_MS = 60 * 60_000;
const USUAL_LOOKS = 5;
const BUDGET_MS = 15_000;
/** The effect between the copies must itself be worth most of the margin. */
const EFFECT_MARGINS = 0.8;

export type TimeBoth = (service: string, version: string, budgetMs: number) => Promise<PairedLatency | string>;

interface Confirmed {
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
  readonly learnedAt: number;
  readonly usual: readonly number[];
}

/**
 * What the movement of the latency's own history would hide: when the newest intervals are suspect, the same requests are
 * timed on the live copy and on one of another version. Slower by the margin in two looks some minutes apart is degraded,
 * however noisy the service. Both as slow: nothing.
 */
export async function lookWhetherSlower(
  timeBoth: TimeBoth,
  input: AssessmentInput,
  rows: readonly CountsRow[],
): Promise<{ readonly judged: Judged | null; readonly looks: Looks | undefined }> {
  const before = looksOf(input.charts, input.version);
  const suspicion = suspicionOf(input, rows);
  if (suspicion === null) return { judged: null, looks: before };
  const { now, service, version } = input;
  if (!suspicion.suspect) {
    if (now - before.learnedAt < LEARN_EVERY_MS) return { judged: null, looks: { ...before, confirmed: null } };
    const found = await timeBoth(service, version, BUDGET_MS);
    const usual =
      typeof found === 'string' ? before.usual : [...before.usual, round(found.meanLog)].slice(-USUAL_LOOKS);
    return { judged: null, looks: { ...before, confirmed: null, learnedAt: now, usual } };
  }
  const told = (looks: Looks): { judged: Judged | null; looks: Looks } => ({
    judged: looks.confirmed && judgedOf(input, suspicion, looks.confirmed),
    looks,
  });
  if (now - before.at < LOOK_EVERY_MS) return told(before);
  const found = await timeBoth(service, version, BUDGET_MS);
  if (typeof found === 'string') return told({ ...before, at: now, decisive: false });
  const { nats, times } = weighed(found, before.usual, suspicion.marginRatio);
  const decisive = nats >= DECISIVE_NATS && times >= 1 + EFFECT_MARGINS * suspicion.marginRatio;
  const again = decisive && (before.confirmed !== null || (before.decisive && now - before.at <= LOOK_AGAIN_WITHIN_MS));
  const confirmed = again ? { nats: round(nats), times: round(times), pairs: found.pairs } : null;
  return told({ ...before, at: now, decisive, confirmed });
}

/** Evidence that the live version is slower by the margin, with what is usual between the copies taken off. */
function weighed(found: PairedLatency, usual: readonly number[], marginRatio: number): { nats: number; times: number } {
  const apart = withoutUsual(found, usual);
  return { nats: slowerNats(apart, 1 + marginRatio), times: Math.exp(apart.meanLog) };
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
  const limitMs = params.baselineMs + SUSPECT_MARGINS * marginMs;
  return {
    suspect: observedMs > limitMs,
    observedMs,
    expectedMs: params.baselineMs,
    limitMs,
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

/** What this code did not write, or wrote of another version, is no memory. */
function looksOf(charts: ChartStates, version: string): Looks {
  const none: Looks = { version, at: 0, decisive: false, confirmed: null, learnedAt: 0, usual: [] };
  const kept = charts[TIMED] as Looks | undefined;
  return kept?.version === version && Array.isArray(kept.usual) ? kept : none;
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
