import { assessConfidences, type EstimatedClass } from '../../domain/detection/confidence-assessment';
import type { ShareEstimate } from '../../domain/detection/confidence-estimate';
import { brokenPromise, keptPromise, notConfidences } from '../../domain/detection/confidence-trust';
import { ESTIMATED_ACCURACY, ESTIMATED_PRECISION, ESTIMATED_RECALL } from '../../domain/detection/estimated-metrics';
import type { DetectionPolicy, MetricPolicy } from '../../domain/policy';
import type { CountsRow } from '../../gateway/protocol';
import type { AssessmentInput, ChartStates, TierReading } from '../../workflows/contract/activities';
import type { Judged } from '../detection/judged';
import type { Telemetry } from '../ports';
import { estimatedVerdict } from './estimated-verdict';
import { knownHistories, type KnownHistory } from './known-history';
import { chartsOf, checkOf, checkOfAll, isKnown, keptCharts, withLabels, type LabelState } from './label-state';
import { addScores, answersOf, noScores, type ScoreSums } from './score-sums';

/** As many labels of a class inside the window are enough for its labelled charts to speak. */
const LABELS_AT_HAND = 30;
const MIN_LABELS = 100;
/** A recall that lies so many standard errors lower is worth a look; it accuses nobody. */
const RECALL_SIGMAS = 3;
const WHY_CHARS = 160;
const ROWS_A_TURN = 250;

export interface EstimatesAssessed {
  readonly judged: readonly Judged[];
  readonly charts: ChartStates;
}

/** What one assessment of the window has at hand. */
export interface EstimateWindow {
  /** Rows of the live version, in the order of their time. */
  readonly rows: readonly CountsRow[];
  /** What of the environment changed, by name. */
  readonly changed: readonly string[];
  /** One false alarm of a chart in `falseAlarmDays`. */
  readonly level: number;
}

interface Metrics {
  readonly accuracy: MetricPolicy | undefined;
  readonly precision: MetricPolicy;
  readonly recall: MetricPolicy | undefined;
}

/**
 * What the confidences of the answers say where labels are late or missing (CBPE). Only for services whose answers have
 * a class and a score; the others get no line at all. Accuses a class by its estimated precision alone; estimated accuracy
 * and recall are shown. Never rejects: what cannot be read is `unmeasured`.
 */
export function assessEstimates(
  telemetry: Telemetry,
): (input: AssessmentInput, window: EstimateWindow) => Promise<EstimatesAssessed> {
  const historyOf = knownHistories(telemetry);
  return async (input, window) => {
    const metrics = metricsOf(input.policy);
    const sums = noScores();
    for (const [index, row] of window.rows.entries()) {
      // Others on this event loop have their turn.
      if (index % ROWS_A_TURN === 0) await new Promise(setImmediate);
      addScores(sums, row);
    }
    const nothing = { judged: [], charts: keptCharts(input.charts) };
    if (metrics === null) return nothing;
    if (sums.scores.size === 0)
      return isKnown(input.charts)
        ? { ...nothing, judged: undecided(metrics, input, 'no answer of the window has a class and a score') }
        : nothing;
    const minLabels = input.policy.estimates?.minLabels ?? MIN_LABELS;
    const known = await historyOf(input, minLabels);
    const why =
      known === null
        ? 'the good periods are being read or cannot be read: nothing to calibrate with yet'
        : known === 'none'
          ? 'there is no good period yet to calibrate with'
          : known.history.scores.size === 0
            ? 'the good periods hold no scores'
            : (notConfidences(known.history.scores) ?? notConfidences(sums.scores));
    if (known === null || known === 'none' || why !== null)
      return { ...nothing, judged: undecided(metrics, input, why) };
    const labels = withLabels(input, known, [...known.history.calibrations.keys()], window.rows);
    const { precision } = metrics;
    const assessed = assessConfidences(known.history, sums.scores, {
      minSamples: precision.minSamples,
      practicalMargin: precision.practicalMargin,
      level: window.level,
      doubt: doubtOf(input, known, labels, sums, window, minLabels, precision.practicalMargin),
      doubtOf: (label) => brokenPromise(checkOf(labels, label), precision.practicalMargin),
    });
    const atHand = labelsAtHand(window.rows, input.policy.shortWindow.windowMs);
    const classes = assessed.classes.map((one) => leftToLabels(one, atHand.get(one.label) ?? 0));
    const about = { input, known, rows: window.rows, level: window.level, metric: precision };
    return {
      judged: [
        ...accuracyOf(metrics.accuracy, assessed.whole, classes, input),
        ...classes.map((one) => precisionOf(one, about)),
        ...classes.flatMap((one) => recallOf(metrics.recall, one, input)),
      ],
      charts: chartsOf(labels),
    };
  };
}

function metricsOf({ metrics }: DetectionPolicy): Metrics | null {
  const named = (name: string): MetricPolicy | undefined => metrics.find(({ metric }) => metric === name);
  const precision = named(ESTIMATED_PRECISION);
  if (!precision) return null;
  return { accuracy: named(ESTIMATED_ACCURACY), precision, recall: named(ESTIMATED_RECALL) };
}

/** Why no confidence of this window can be taken at its word; null where nothing speaks against it. */
function doubtOf(
  { version }: AssessmentInput,
  known: KnownHistory,
  state: LabelState,
  sums: ScoreSums,
  { changed }: EstimateWindow,
  minLabels: number,
  margin: number,
): string | null {
  const scored = answersOf(sums);
  if (scored < 0.9 * sums.predicted) return `only ${scored} of ${sums.predicted} answers with a class have a score`;
  const inputs = changed.filter((name) => name.startsWith('input'));
  if (inputs.length > 0) return `the inputs changed: ${inputs.join(', ')}`;
  const labels = checkOfAll(state);
  const broken = brokenPromise(labels, margin);
  if (broken !== null) return broken;
  if (known.version === version || keptPromise(labels, margin, minLabels)) return null;
  return (
    `calibrated on ${known.version}; ${labels.labels} labels of ${version} do not show yet that its confidences mean the ` +
    `same (at least ${minLabels})`
  );
}

/** Labels that arrive within the window, by predicted class: then the labelled charts decide, and no estimate accuses. */
function labelsAtHand(rows: readonly CountsRow[], windowMs: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const { judged, labelDelayMs } of rows) {
    if (judged === undefined || (labelDelayMs ?? Infinity) > windowMs) continue;
    for (const [label, cells] of Object.entries(judged))
      for (const [n] of Object.values(cells)) found.set(label, (found.get(label) ?? 0) + n);
  }
  return found;
}

function leftToLabels(one: EstimatedClass, labels: number): EstimatedClass {
  if (one.kind !== 'degraded' || labels < LABELS_AT_HAND) return one;
  return { ...one, kind: 'inconclusive', why: `${labels} labels of it came within the window: they decide` };
}

function precisionOf(
  one: EstimatedClass,
  about: Omit<Parameters<typeof estimatedVerdict>[1], 'metric'> & { readonly metric: MetricPolicy },
): Judged {
  const { input, metric } = about;
  const reading = readingOf(
    metric,
    `${ESTIMATED_PRECISION}:${one.label}`,
    one.kind,
    one.precision,
    one.expected,
    input,
    {
      limit: one.limit,
      why: one.why,
    },
  );
  return { reading, verdict: one.kind === 'degraded' ? estimatedVerdict(one, about) : null };
}

/** Never more than `inconclusive`: it rests on confusions staying what they were. */
function recallOf(metric: MetricPolicy | undefined, one: EstimatedClass, input: AssessmentInput): Judged[] {
  const { recall, expectedRecall: expected } = one;
  if (!metric || recall === null || expected === null) return [];
  const fell = expected.value - recall.value;
  const sigmas = fell / Math.max(1e-9, Math.hypot(recall.se, expected.se));
  const low = fell >= metric.practicalMargin && sigmas >= RECALL_SIGMAS;
  const decided = one.kind === 'ok' || one.kind === 'degraded';
  const kind = recall.n < metric.minSamples || !decided || low ? 'inconclusive' : 'ok';
  const why = low && decided ? 'may have fallen: look at answers that other classes took from it' : null;
  const name = `${ESTIMATED_RECALL}:${one.label}`;
  return [{ reading: readingOf(metric, name, kind, recall, expected, input, { limit: null, why }), verdict: null }];
}

/** Never more than `inconclusive`: when all confidences fall together, nothing tells a worse model from harder inputs. */
function accuracyOf(
  metric: MetricPolicy | undefined,
  { accuracy, expected }: { readonly accuracy: ShareEstimate | null; readonly expected: ShareEstimate | null },
  classes: readonly EstimatedClass[],
  input: AssessmentInput,
): Judged[] {
  if (!metric) return [];
  const common = classes.find(({ why }) => why !== null && classes.every((one) => one.why === why))?.why ?? null;
  const fell = accuracy && expected ? expected.value - accuracy.value >= metric.practicalMargin : false;
  const measured = accuracy !== null && expected !== null && accuracy.n >= metric.minSamples;
  const kind = !accuracy || !expected ? 'unmeasured' : !measured || common !== null || fell ? 'inconclusive' : 'ok';
  const why = common ?? (kind === 'unmeasured' ? 'most answers are of classes without a calibration' : null);
  const said = why ?? (fell ? 'fell: a class that is worse, a worse model, or harder inputs' : null);
  return [
    {
      reading: readingOf(metric, ESTIMATED_ACCURACY, kind, accuracy, expected, input, { limit: null, why: said }),
      verdict: null,
    },
  ];
}

function undecided({ accuracy, precision }: Metrics, input: AssessmentInput, why: string | null): Judged[] {
  const metric = accuracy ?? precision;
  return [
    {
      reading: readingOf(metric, metric.metric, 'unmeasured', null, null, input, { limit: null, why }),
      verdict: null,
    },
  ];
}

function readingOf(
  { tier }: MetricPolicy,
  metric: string,
  kind: TierReading['kind'],
  observed: ShareEstimate | null,
  expected: ShareEstimate | null,
  { now }: AssessmentInput,
  { limit, why }: { readonly limit: number | null; readonly why: string | null },
): TierReading {
  return {
    tier,
    metric,
    kind,
    observed: observed && rounded(observed.value),
    expected: expected && rounded(expected.value),
    limit: limit === null ? null : rounded(limit),
    samples: observed?.n ?? 0,
    at: now,
    ...(why === null ? {} : { why: why.slice(0, WHY_CHARS) }),
  };
}

function rounded(share: number): number {
  return Number(share.toPrecision(6));
}
