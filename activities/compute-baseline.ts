import { MAX_CLASSES } from '../domain/detection/class-rates';
import { factorAt } from '../domain/detection/hour-of-day';
import { levelSpread } from '../domain/detection/level-spread';
import { median, scaledMad } from '../domain/detection/robust';
import { scoreReference, shortened } from '../domain/detection/score-reference';
import { clockText, durationText } from '../domain/detection/verdict';
import type { MetricPolicy } from '../domain/policy';
import type { EvaluationSummary } from '../domain/version';
import type { CountsRow } from '../gateway/protocol';
import type { Baseline, BaselineInput, ControlActivities, GoodPeriod } from '../workflows/contract/activities';
import { LATENCY, latencyIntervals } from './detection/latency-chart';
import { slicesOf } from './detection/period-slices';
import { quietly } from './detection/surroundings';
import { seasonOf, usualHours, type UsualHour } from './detection/usual-hours';
import { classTallies, rowsOf, sumRows, tallyIn, type RowSums } from './detection/window-sums';
import type { ArtifactStore, Telemetry } from './ports';

export interface BaselinePorts {
  readonly telemetry: Telemetry;
  readonly artifacts: ArtifactStore;
}

const READ_MS = 10_000;
/** Weight of a value that nobody measured: limits of a warm-up are wide. */
const ASSUMED_TRIALS = 200;
/** A baseline knows more than this, but beyond it the certainty is only apparent. */
const MAX_TRIALS = 200_000;
const MIN_LABELS = 100;
/** Latencies that differ by less are the same. */
const SPREAD_FLOOR = 0.02;
const GOOD_PERIODS = 'good periods';
/** Older hours are known by their minutes only, which scatter less than the intervals of the chart. */
const SHAPE_MS = 48 * 3_600_000;

type Metrics = Record<string, Baseline['metrics'][string]>;

/**
 * What good looks like: counts of the good periods, else the evaluation report, else what the policy assumes. Centres
 * that are recomputed move at most the practical margin from their anchor; the rest is the trend tier's to report.
 * Read-only; the same periods give the same baseline.
 */
export function computeBaseline(ports: BaselinePorts): ControlActivities['computeBaseline'] {
  return async (input) => {
    const { anchorVersion, policy, service, version } = input;
    const report = (await quietly(READ_MS, 'the report', () => ports.artifacts.get(service, anchorVersion)))
      ?.evaluation;
    const used = chosenPeriods(input);
    const { rows, slices, sums, readMs } = await readPeriods(ports.telemetry, service, used);
    const hours = await usualHours(ports.telemetry, service, used);
    const metrics: Metrics = {};
    const ratePerSecond: Record<string, number> = {};
    const words: string[] = [];
    for (const metric of policy.metrics) {
      if (metric.metric === 'recall') classMetrics(metric, sums, report ?? null, anchorVersion, metrics);
      else if (metric.metric === LATENCY) latencyMetric(metric, rows, hours, metrics);
      else if (metric.kind === 'rate') rateMetric(metric, sums, report ?? null, anchorVersion, metrics);
    }
    const stretches = [...slices, ...hours.map((hour) => sumRows(hour.rows))];
    for (const [name, known] of Object.entries(metrics)) {
      if (known.source === GOOD_PERIODS && name !== LATENCY)
        metrics[name] = { ...known, spread: spreadOf(name, stretches) };
      const trials = tallyIn({ name, classLabel: classOf(name) }, sums).trials;
      if (readMs > 0 && trials > 0) ratePerSecond[name] = (trials / readMs) * 1_000;
      const clamped = clampToAnchor(name, metrics, input, report ?? null);
      if (clamped !== null) words.push(clamped);
    }
    const whose =
      used.length > 0 ? periodWords(used) : report ? `the evaluation report of ${anchorVersion}` : 'assumed values';
    return { version, metrics, ratePerSecond, periods: used, words: [whose, ...words].join('; ').slice(0, 600) };
  };
}

/** Those of the version itself; while they are short also those of the versions before it, which were good as well. */
function chosenPeriods({ periods, policy, version }: BaselineInput): GoodPeriod[] {
  const own = periods.filter((period) => period.version === version);
  const known = own.reduce((all, { from, to }) => all + to - from, 0);
  return (known >= policy.minHistoryMs ? own : [...periods]).slice(-20);
}

async function readPeriods(
  telemetry: Telemetry,
  service: string,
  periods: readonly GoodPeriod[],
): Promise<{ rows: CountsRow[]; slices: RowSums[]; sums: RowSums; readMs: number }> {
  const rows: CountsRow[] = [];
  const slices: RowSums[] = [];
  let readMs = 0;
  for (const { version, from, to } of slicesOf(periods)) {
    const slice = await quietly(READ_MS, 'a good period', () => telemetry.window(service, from, to));
    const own = slice === null ? [] : rowsOf(slice, version);
    if (own.length === 0) continue;
    rows.push(...own);
    slices.push(sumRows(own));
    readMs += to - from;
  }
  return { rows: rows.sort((left, right) => left.fromMs - right.fromMs), slices, sums: sumRows(slices), readMs };
}

function rateMetric(
  metric: MetricPolicy,
  sums: RowSums,
  report: EvaluationSummary | null,
  anchorVersion: string,
  metrics: Metrics,
): void {
  const name = metric.metric;
  const hits = name === 'accuracy';
  const { trials, failures } = tallyIn({ name, classLabel: null }, sums);
  if (trials >= Math.max(MIN_LABELS, metric.minSamples)) {
    const rate = failures / trials;
    metrics[name] = measured(hits ? 1 - rate : rate, trials);
  } else if (hits && report) {
    metrics[name] = { value: report.accuracy, n: report.n, spread: null, source: reportWords(anchorVersion) };
  } else if (metric.assumed !== null) {
    metrics[name] = {
      value: metric.assumed,
      n: ASSUMED_TRIALS,
      spread: null,
      source: 'assumed by the policy (warm-up)',
    };
  }
}

function classMetrics(
  metric: MetricPolicy,
  sums: RowSums,
  report: EvaluationSummary | null,
  anchorVersion: string,
  metrics: Metrics,
): void {
  const seen = classTallies(sums);
  const labels = new Set([...Object.keys(report?.byClass ?? {}), ...seen.keys()]);
  for (const label of [...labels].sort().slice(0, MAX_CLASSES)) {
    const counts = seen.get(label);
    const evaluated = report?.byClass[label];
    const enough = counts !== undefined && counts.trials >= Math.max(MIN_LABELS, metric.minSamples);
    if (enough) metrics[`recall:${label}`] = measured(1 - counts.failures / counts.trials, counts.trials);
    else if (evaluated && evaluated.n > 0)
      metrics[`recall:${label}`] = {
        value: evaluated.recall,
        n: evaluated.n,
        spread: null,
        source: reportWords(anchorVersion),
      };
  }
}

/**
 * The shape comes from the newest hours and from what was seen of the two days before them, each without the usual
 * difference of its hour of the day.
 */
function latencyMetric(
  metric: MetricPolicy,
  rows: readonly CountsRow[],
  hours: readonly UsualHour[],
  metrics: Metrics,
): void {
  const intervals = (some: readonly CountsRow[]): { atMs: number; valueMs: number }[] =>
    latencyIntervals(some, metric.minSamples);
  const season = seasonOf(hours, (some) => intervals(some).map(({ valueMs }) => valueMs));
  const first = rows[0]?.fromMs ?? 0;
  const before = hours.filter(({ atMs }) => atMs < first && atMs >= first - SHAPE_MS);
  const values = [...before.map((hour) => hour.rows), rows]
    .flatMap(intervals)
    .map(({ atMs, valueMs }) => valueMs / factorAt(season, atMs));
  const value = median(values);
  if (value === null || values.length < 12) return;
  const known = {
    value,
    n: values.length,
    spread: scaledMad(values),
    source: season === null ? GOOD_PERIODS : `${GOOD_PERIODS}, by the hour of the day`,
    ...(season === null ? {} : { season }),
  };
  const reference = scoreReference(values, value * SPREAD_FLOOR);
  metrics[LATENCY] = reference.warmth === 'cold' ? known : { ...known, reference: shortened(reference) };
}

/** How much the level itself moves; more than five digits are noise. */
function spreadOf(name: string, stretches: readonly RowSums[]): number {
  const spread = levelSpread(stretches.map((sums) => tallyIn({ name, classLabel: classOf(name) }, sums)));
  return Number(spread.toPrecision(5));
}

function measured(value: number, trials: number): Metrics[string] {
  return { value, n: Math.min(MAX_TRIALS, trials), spread: null, source: GOOD_PERIODS };
}

/** Keeps a centre within the practical margin of its anchor on the harmful side; says so when it does. */
function clampToAnchor(
  name: string,
  metrics: Metrics,
  input: BaselineInput,
  report: EvaluationSummary | null,
): string | null {
  const known = metrics[name];
  const label = classOf(name);
  const metric = input.policy.metrics.find((one) => one.metric === (label === null ? name : 'recall'));
  const reported =
    label === null ? (name === 'accuracy' ? report?.accuracy : undefined) : report?.byClass[label]?.recall;
  const anchor = reported ?? input.anchors[name];
  if (!known || !metric || anchor === undefined) return null;
  metrics[name] = { ...known, anchor };
  if (!known.source.startsWith(GOOD_PERIODS)) return null;
  // Latency has a relative margin as well, as its chart has.
  const margin = name === LATENCY ? Math.max(metric.practicalMargin, anchor / 4) : metric.practicalMargin;
  const limit = metric.badDirection === 'down' ? anchor - margin : anchor + margin;
  const value = metric.badDirection === 'down' ? Math.max(known.value, limit) : Math.min(known.value, limit);
  if (value === known.value) return null;
  metrics[name] = { ...known, anchor, value, source: `${GOOD_PERIODS}, held at the margin of the anchor` };
  return `${name} moved from its anchor ${anchor.toPrecision(3)} to ${known.value.toPrecision(3)}, held at ${value.toPrecision(3)}`;
}

function classOf(name: string): string | null {
  return name.startsWith('recall:') ? name.slice('recall:'.length) : null;
}

function reportWords(version: string): string {
  return `evaluation report of ${version}`;
}

function periodWords(periods: readonly GoodPeriod[]): string {
  const newest = periods.slice(-3).map(({ version, from, to }) => {
    const day = new Date(from).toISOString().slice(0, 10);
    return `${durationText(to - from)} of ${version} from ${day} ${clockText(from)}`;
  });
  const more = periods.length > 3 ? `${periods.length - 3} earlier periods, ` : '';
  return `good periods: ${more}${newest.join(', ')}`;
}
