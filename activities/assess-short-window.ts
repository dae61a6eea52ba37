import { bernoulliEvidence, initialBernoulliState, stepBernoulli } from '../domain/detection/bernoulli-e-detector';
import { assessClassWindow } from '../domain/detection/class-rates';
import { binomialControlLimits, wilsonUpper } from '../domain/detection/rate-limits';
import { rateText } from '../domain/detection/rate-verdict';
import type { RateBaseline, Verdict } from '../domain/detection/types';
import { buildVerdict, clockText, durationText, percentText } from '../domain/detection/verdict';
import type { CountsRow } from '../gateway/protocol';
import type {
  Assessment,
  AssessmentInput,
  ControlActivities,
  ObservedRoute,
  TierReading,
} from '../workflows/contract/activities';
import { TIMED } from '../workflows/contract/charts';
import type { AnswersAssessed } from './answers/assess-answers';
import { lookAtRouter } from './observe-route';
import { rateSpecs, tallyOf, type RateSpec } from './detection/chart-specs';
import { judgeLatency } from './detection/latency-window';
import type { Judged } from './detection/judged';
import { lookWhetherSlower, type TimeBoth } from './detection/slower-look';
import { environmentSince, quietly } from './detection/surroundings';
import { rowsOf, sumRows, tallyIn } from './detection/window-sums';
import { assessEstimates } from './estimates/assess-estimates';
import type { Environment, Telemetry, TrafficRouter } from './ports';

export interface WindowPorts {
  readonly telemetry: Telemetry;
  readonly router: TrafficRouter;
  readonly environment: Environment;
  /** What the answers of a language model say; absent where no service is one. */
  readonly answers?: (input: AssessmentInput) => Promise<AnswersAssessed>;
  /** Times the same requests on two copies; absent where that must not be done. */
  readonly timeBoth?: TimeBoth;
}

const NO_ANSWERS: AnswersAssessed = { judged: [], charts: {} };

const ENVIRONMENT_MS = 5_000;
const OBSERVE_MS = 3_000;
const WINDOW_MS = 20_000;
const DAY_MS = 86_400_000;

/**
 * The short-window tier: exact limits over the last window, class by class, beside the environment's health and a look at
 * the router. Finds what the sequential charts of the watch do not; one verdict a metric, so what stands is not begun
 * again. Ids come from the time in the input: a repeated activity gives the same. Read-only.
 */
export function assessShortWindow(ports: WindowPorts): ControlActivities['assessShortWindow'] {
  const estimatesOf = assessEstimates(ports.telemetry);
  return async (input) => {
    const { now, policy, routedAt, service, version } = input;
    const from = Math.max(routedAt, now - policy.shortWindow.windowMs);
    const reading = quietly(WINDOW_MS, 'the window', () => ports.telemetry.window(service, from, now));
    const looking = environmentSince(ports.environment, service, from, ENVIRONMENT_MS);
    const estimating = Promise.all([reading, looking]).then(([seen, { changed }]) =>
      estimatesOf(input, { rows: rowsOf(seen ?? [], version), changed, level: alphaOf(input) }),
    );
    const timing = reading.then((seen) =>
      seen === null || !ports.timeBoth ? null : lookWhetherSlower(ports.timeBoth, input, rowsOf(seen, version)),
    );
    const [rows, environment, observed, answers, estimates, slower] = await Promise.all([
      reading,
      looking,
      observe(ports.router, service),
      ports.answers?.(input) ?? NO_ANSWERS,
      estimating,
      timing,
    ]);
    const live = rows === null ? null : rowsOf(rows, version);
    const counted =
      live === null ? [] : [...judgeRates(input, live), ...latencyOf(judgeLatency(input, live), slower?.judged)];
    const all = [...counted, ...answers.judged, ...estimates.judged];
    const standing = new Set(input.standing.map(({ verdict }) => verdict.metric));
    const prefix = (metric: string): string => `${version}/${metric}/w`;
    return {
      charts: { ...answers.charts, ...estimates.charts, [TIMED]: slower?.looks ?? input.charts[TIMED] },
      began: all.flatMap(({ verdict }) =>
        verdict?.kind === 'degraded' && !standing.has(verdict.metric) && !isOver(verdict, input, live ?? [])
          ? [{ id: `${prefix(verdict.metric)}${now}`, verdict }]
          : [],
      ),
      ended: input.standing.flatMap(({ id, verdict }) => endOf(id, verdict, all, input, live ?? [])),
      tiers: all.map(({ reading }) => reading),
      environment: { changed: environment.changed, unmeasured: environment.unmeasured },
      observed,
    };

    function endOf(
      id: string,
      { metric }: Verdict,
      found: readonly Judged[],
      about: AssessmentInput,
      seen: CountsRow[],
    ): Assessment['ended'] {
      // What the watch began, the watch ends: it sees the end sooner.
      if (!id.startsWith(prefix(metric))) return [];
      const reading = found.find((one) => one.reading.metric === metric)?.reading;
      const over = reading?.kind === 'ok' || calmLately(metric, about, seen);
      return over ? [{ id, at: about.now, sentence: `${metric}: within its limits again` }] : [];
    }
  };
}

/** Two copies side by side see what the history's own movement hides; what the history shows already needs no look. */
function latencyOf(judged: readonly Judged[], slower: Judged | null | undefined): readonly Judged[] {
  return slower && judged.every(({ verdict }) => verdict === null) ? [slower] : judged;
}

/** A window still holds the bad minutes when the good ones have come: the newest calm time decides, given enough of it. */
function calmLately(metric: string, { now, policy, baseline }: AssessmentInput, rows: readonly CountsRow[]): boolean {
  const spec = rateSpecs(policy, baseline).find(({ name }) => name === metric);
  if (!spec) return false;
  const { trials, failures } = tallyIn(spec, sumRows(rows.filter(({ fromMs }) => fromMs >= now - policy.calmMs)));
  return trials >= spec.metric.minSamples && failures <= (spec.params.p0 + spec.params.practicalMargin) * trials;
}

/** A window that is bad only by what has ended already begins nothing: the newest calm time is good, and surely better. */
function isOver({ metric, observed }: Verdict, about: AssessmentInput, rows: readonly CountsRow[]): boolean {
  const spec = rateSpecs(about.policy, about.baseline).find(({ name }) => name === metric);
  if (!spec || observed === null || !calmLately(metric, about, rows)) return false;
  const newest = rows.filter(({ fromMs }) => fromMs >= about.now - about.policy.calmMs);
  const { trials, failures } = tallyIn(spec, sumRows(newest));
  return wilsonUpper(failures, trials, 0.9) < (spec.words.form === 'hits' ? 1 - observed : observed);
}

/** One false alarm of a chart in `falseAlarmDays`, over all its assessments. */
function alphaOf({ policy }: AssessmentInput): number {
  return Math.max(1e-9, policy.shortWindow.everyMs / (policy.falseAlarmDays * DAY_MS));
}

function judgeRates(input: AssessmentInput, rows: readonly CountsRow[]): Judged[] {
  const alpha = alphaOf(input);
  const specs = rateSpecs(input.policy, input.baseline);
  const sums = sumRows(rows);
  const classes = specs.filter(({ classLabel }) => classLabel !== null);
  const history = new Map<string, RateBaseline>();
  for (const { name, classLabel } of classes) {
    const known = input.baseline.metrics[name];
    if (classLabel === null || !known) continue;
    history.set(classLabel, { trials: known.n, failures: (1 - known.value) * known.n, words: known.source });
  }
  const margin = classes[0]?.metric.practicalMargin ?? 0;
  const minSupport = classes[0]?.metric.minSamples ?? 1;
  const counts = classes.map((spec) => {
    const { trials, failures } = tallyIn(spec, sums);
    return { label: spec.classLabel ?? '', total: trials, correct: trials - failures };
  });
  const options = { minSupport, practicalMargin: margin, falseDiscoveryLevel: alpha, coverage: 'complete' as const };
  const assessed = assessClassWindow(counts, history, options);
  return specs.map((spec) => {
    const found = assessed.find(({ label }) => label === spec.classLabel);
    const tally = tallyIn(spec, sums);
    const limits = binomialControlLimits(tally.trials, spec.params.p0, spec.metric.practicalMargin, alpha);
    const rate = tally.trials > 0 ? tally.failures / tally.trials : 0;
    const beyond = limits.ucl !== null && rate > limits.ucl;
    const kind =
      tally.trials === 0
        ? 'unmeasured'
        : !spec.params.usable || tally.trials < spec.metric.minSamples
          ? 'inconclusive'
          : (found?.kind ?? (beyond ? 'degraded' : 'ok'));
    // A class is judged beside the others, so its limit is the one of that judgement.
    const ucl = found ? (found.limit === null ? null : 1 - found.limit) : limits.ucl;
    return rateJudged(input, spec, rows, { kind, ...tally, ucl, byClass: found !== undefined });
  });
}

function rateJudged(
  input: AssessmentInput,
  spec: RateSpec,
  rows: readonly CountsRow[],
  seen: { kind: TierReading['kind']; trials: number; failures: number; ucl: number | null; byClass: boolean },
): Judged {
  const { kind, trials, failures, ucl, byClass } = seen;
  const shown = (rate: number): number => (spec.words.form === 'hits' ? 1 - rate : rate);
  const observed = trials > 0 ? shown(failures / trials) : null;
  const expected = spec.params.usable ? shown(spec.params.expectedRate) : null;
  const limit = ucl === null ? null : shown(ucl);
  const reading: TierReading = {
    tier: spec.metric.tier,
    metric: spec.name,
    kind,
    observed,
    expected,
    limit,
    samples: trials,
    at: rows[rows.length - 1]?.toMs ?? input.now,
  };
  if (kind !== 'degraded') return { reading, verdict: null };
  const onset = onsetOf(spec, rows);
  const windowMs = input.policy.shortWindow.windowMs;
  const verdict = buildVerdict({
    kind,
    tier: spec.metric.tier === 'trend' ? 'short-window' : spec.metric.tier,
    metric: spec.name,
    ...(spec.classLabel === null ? {} : { classLabel: spec.classLabel }),
    hard: spec.metric.hard && failures >= trials / 2,
    observed,
    expected,
    ucl: spec.words.form === 'hits' ? null : limit,
    lcl: spec.words.form === 'hits' ? limit : null,
    unit: 'ratio',
    samples: trials,
    sinceMs: rows[0]?.fromMs ?? null,
    ...onset,
    statistic: {
      name: 'exact binomial limit of the window',
      value: failures,
      // A class is degraded at its limit, any other rate beyond it.
      threshold: ucl === null ? trials : byClass ? Math.round(ucl * trials) : Math.floor(ucl * trials) + 1,
      falseAlarmDays: input.policy.falseAlarmDays,
    },
    sentence:
      `${rateText(failures / trials, trials, spec.words)} over the last ${durationText(windowMs)}` +
      `${onset.onsetMs === null ? '' : `, about since ${clockText(onset.onsetMs)}`}; ` +
      `its own history says ${percentText(expected ?? 0)}${limit === null ? '' : ` (limit ${percentText(limit)})`}`,
    baseline: spec.source,
  });
  return { reading, verdict };
}

/** The change point inside the window: the sequential chart over the same rows. */
function onsetOf(
  spec: RateSpec,
  rows: readonly CountsRow[],
): { onsetMs: number | null; onsetLowMs: number | null; onsetHighMs: number | null } {
  let state = initialBernoulliState(spec.params);
  for (const row of rows) {
    const tally = tallyOf(spec, row);
    if (tally && tally.trials > 0) state = stepBernoulli(state, spec.params, { atMs: row.fromMs, ...tally });
  }
  const { onsetMs, onsetLowMs, onsetHighMs } = bernoulliEvidence(state, spec.params);
  return { onsetMs, onsetLowMs, onsetHighMs };
}

async function observe(router: TrafficRouter, service: string): Promise<ObservedRoute | null> {
  return await quietly(OBSERVE_MS, 'the route', () => lookAtRouter(router, service));
}
