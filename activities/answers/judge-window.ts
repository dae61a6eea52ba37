import {
  DRIFT_LIMITS,
  judgeAnswers,
  type DriftFinding,
  type DriftMetric,
  type SeenAnswer,
} from '../../domain/detection/answer-drift';
import { seededUniform } from '../../domain/detection/seeded-random';
import { buildVerdict, clockText } from '../../domain/detection/verdict';
import type { Sample } from '../../gateway/protocol';
import type { AssessmentInput, TierReading } from '../../workflows/contract/activities';
import type { Judged } from '../detection/judged';
import type { AnswerChecks, FrozenAnswers, Telemetry } from '../ports';
import { CANARY, withReading, withWindow, type AnswerState } from './answer-state';
import { seenAnswers, type Said } from './seen-answers';
import { inSlices } from './slices';

export const WINDOW_METRICS: readonly DriftMetric[] = [
  'semantic-drift',
  'answer-length',
  'refusal-rate',
  'ill-formed-rate',
];
/** Newest ones that are looked through for a window and, once, for a baseline. */
const SAMPLES_MAX = 1_000;
/** A window that waits longer than the short window is judged with fewer answers, but not with fewer than these. */
const ANSWERS_MIN = 20;

export interface WindowResult {
  readonly judged: readonly Judged[];
  readonly state: AnswerState;
}

/**
 * The newest answers of the live version that no window has judged yet, against its frozen baseline. Freezes the baseline,
 * once, from answers of the version's own good periods; twice is the same answers again, so a repeated activity is safe.
 */
export async function judgeWindow(
  checks: AnswerChecks,
  telemetry: Telemetry,
  input: AssessmentInput,
  state: AnswerState,
  signal: AbortSignal,
): Promise<WindowResult> {
  const { now, routedAt, service, version } = input;
  const { off, samples } = await telemetry.samples(service, { version, limit: SAMPLES_MAX });
  if (off) return undecided(state, 'unmeasured', 0, now);
  const answered = samples.filter(hasAnswer).reverse();
  const kept = await checks.baselines.read(service, version, 'window');
  const frozen = kept ?? (await freeze(checks, input, answered, signal));
  if (frozen === null) return undecided(state, 'inconclusive', answered.length, now);

  const after = Math.max(state.judgedTo, frozen.frozen.toMs, routedAt);
  const fresh = answered.filter(({ atMs }) => atMs > after);
  const window = fresh.slice(-checks.windowAnswers);
  const [first, last] = [window[0], window[window.length - 1]];
  const waited = first !== undefined && now - first.atMs >= input.policy.shortWindow.windowMs;
  if (!first || !last || window.length < (waited ? ANSWERS_MIN : checks.windowAnswers)) return waiting(state, now);

  const seen = await seenAnswers(checks.embedder, window.map(said), checks.features, signal);
  if (seen.by !== frozen.frozen.by) {
    // Another embedder than the baseline's: the version's next good period is frozen anew.
    const anew = await freeze(checks, input, answered, signal);
    return undecided(state, 'inconclusive', anew?.frozen.answers.length ?? 0, now);
  }
  // The same window gives the same verdict, on whichever machine and attempt.
  const uniform = seededUniform(first.atMs % 2 ** 32);
  const { findings, inputs } = await inSlices(
    judgeAnswers(frozen.frozen.answers, seen.answers, DRIFT_LIMITS, uniform),
    signal,
  );
  const about = { now, window: seen.answers, sinceMs: first.atMs, lastMs: last.atMs, inputs };
  const baseline = baselineWords(version, frozen);
  return findings.reduce<WindowResult>(
    (result, finding) => {
      const next = judgeFinding(result.state, finding, { ...about, baseline });
      return { judged: [...result.judged, next.judged], state: next.state };
    },
    { judged: [], state: { ...state, judgedTo: last.atMs } },
  );
}

/** From answers inside the version's own good periods, so not of a bake period or an incident; null while they are few. */
async function freeze(
  checks: AnswerChecks,
  { baseline, service, standing, version }: AssessmentInput,
  answered: readonly Answered[],
  signal: AbortSignal,
): Promise<{ frozen: FrozenAnswers; digest: string } | null> {
  if (standing.length > 0) return null;
  const periods = baseline.periods.filter((period) => period.version === version);
  const good = answered
    .filter(({ atMs }) => periods.some(({ from, to }) => atMs >= from && atMs < to))
    .slice(-checks.baselineAnswers);
  const [first, last] = [good[0], good[good.length - 1]];
  if (!first || !last || good.length < checks.baselineAnswers) return null;
  const { by, answers } = await seenAnswers(checks.embedder, good.map(said), checks.features, signal);
  await checks.baselines.freeze(service, version, 'window', { by, fromMs: first.atMs, toMs: last.atMs, answers });
  return await checks.baselines.read(service, version, 'window');
}

interface About {
  readonly now: number;
  readonly window: readonly SeenAnswer[];
  readonly sinceMs: number;
  readonly lastMs: number;
  readonly inputs: string | null;
  readonly baseline: string;
}

function judgeFinding(
  before: AnswerState,
  finding: DriftFinding,
  { baseline, inputs, lastMs, sinceMs, window }: About,
): { judged: Judged; state: AnswerState } {
  const { metric, observed, expected, ucl, lcl } = finding;
  const excused = inputs !== null;
  const after = withWindow(before, metric, { beyond: finding.beyond, excused, sinceMs });
  const limit = lcl !== null && observed < expected ? lcl : ucl;
  const reading: TierReading = {
    tier: 'short-window',
    metric,
    kind: after.kind,
    observed,
    expected,
    limit,
    samples: window.length,
    at: lastMs,
  };
  const state = withReading(after.state, reading);
  if (after.kind !== 'degraded') return { judged: { reading, verdict: null }, state };
  const verdict = buildVerdict({
    kind: 'degraded',
    tier: 'short-window',
    metric,
    observed,
    expected,
    ucl,
    lcl,
    unit: finding.unit,
    samples: window.length,
    sinceMs,
    onsetMs: after.sinceMs,
    statistic: {
      name: 'two windows of answers in a row',
      value: observed,
      threshold: limit ?? 1,
      falseAlarmDays: null,
    },
    sentence: `${finding.sentence}, the second window in a row, since about ${clockText(after.sinceMs)}`,
    baseline,
  });
  return { judged: { reading, verdict }, state };
}

/** Fewer answers than a window needs: what the last one said stands. */
function waiting(state: AnswerState, now: number): WindowResult {
  const readings = state.readings.filter(({ metric }) => metric !== CANARY);
  if (readings.length === 0) return undecided(state, 'inconclusive', 0, now);
  return { judged: readings.map((reading) => ({ reading, verdict: null })), state };
}

export function undecided(
  state: AnswerState,
  kind: 'inconclusive' | 'unmeasured',
  samples: number,
  at: number,
): WindowResult {
  const judged = WINDOW_METRICS.map((metric): Judged => {
    const nothing = { observed: null, expected: null, limit: null };
    return { reading: { tier: 'short-window', metric, kind, ...nothing, samples, at }, verdict: null };
  });
  return { judged, state };
}

type Answered = Sample & { readonly answer: string };

function hasAnswer(sample: Sample): sample is Answered {
  return typeof sample.answer === 'string';
}

function said({ body, answer, finish = null }: Answered): Said {
  return { input: body, answer, finish };
}

function baselineWords(version: string, { frozen, digest }: { frozen: FrozenAnswers; digest: string }): string {
  const day = new Date(frozen.fromMs).toISOString().slice(0, 10);
  return `${frozen.answers.length} answers of ${version} from ${day} ${clockText(frozen.fromMs)} on, ${frozen.by}, ${digest}`;
}
