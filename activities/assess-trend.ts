import { assessTrend as assessHours, type HourlyMean } from '../domain/detection/trend';
import type { MetricPolicy } from '../domain/policy';
import type { CountsRow } from '../gateway/protocol';
import type {
  AssessmentInput,
  ControlActivities,
  StandingVerdict,
  TierReading,
} from '../workflows/contract/activities';
import { LATENCY } from './detection/latency-chart';
import { environmentSince, quietly } from './detection/surroundings';
import { HOURS_THAT_FIT, packHours, unpackHours, type Hour } from './detection/trend-hours';
import { classTallies, rowsOf, sumRows, tallyIn } from './detection/window-sums';
import type { Environment, Telemetry } from './ports';

export interface TrendPorts {
  readonly telemetry: Telemetry;
  readonly environment: Environment;
}

const HOUR_MS = 3_600_000;
/** Hours that one assessment reads at most; the first ones after a start catch up. */
const READ_HOURS = 24;
const READ_MS = 15_000;
const ENVIRONMENT_MS = 5_000;
/** Classes beyond this number have no trend of their own; the accuracy has. */
const CLASSES_MAX = 8;

/**
 * The trend tier: hourly means against the anchor, hours to days. Each assessment adds the hours that ended since the
 * last one; what it keeps fits the workflow's state, oldest hours go first. Fewer hours than `trend.minPoints` are
 * `inconclusive`.
 * Read-only; the same input gives the same verdicts.
 */
export function assessTrend(ports: TrendPorts): ControlActivities['assessTrend'] {
  return async (input) => {
    const hours = await withNewHours(ports.telemetry, input, unpackHours(input.charts['hours']));
    const environment = await environmentSince(ports.environment, input.service, input.now - HOUR_MS, ENVIRONMENT_MS);
    const prefix = (metric: string): string => `${input.version}/${metric}/t`;
    const began: StandingVerdict[] = [];
    const ended: { id: string; at: number; sentence: string }[] = [];
    const tiers: TierReading[] = [];
    for (const metric of trendMetrics(input)) {
      const verdict = judge(input, metric, hours);
      const { kind, observed, expected, ucl, lcl, samples } = verdict;
      tiers.push({ tier: 'trend', metric, kind, observed, expected, limit: ucl ?? lcl, samples, at: input.now });
      const standing = input.standing.find((one) => one.verdict.metric === metric);
      if (kind === 'degraded' && !standing)
        began.push({ id: `${prefix(metric)}${verdict.onsetMs ?? input.now}`, verdict });
      if (kind === 'ok' && standing?.id.startsWith(prefix(metric)))
        ended.push({ id: standing.id, at: input.now, sentence: `${metric}: back at its anchor` });
    }
    const { changed, unmeasured } = environment;
    return {
      charts: { hours: packHours(hours) },
      began,
      ended,
      tiers,
      environment: { changed, unmeasured },
      observed: null,
    };
  };
}

function trendMetrics({ baseline }: AssessmentInput): string[] {
  const classes = Object.keys(baseline.metrics)
    .filter((name) => name.startsWith('recall:'))
    .sort((left, right) => (baseline.ratePerSecond[right] ?? 0) - (baseline.ratePerSecond[left] ?? 0))
    .slice(0, CLASSES_MAX);
  return ['error-rate', 'accuracy', LATENCY].filter((name) => baseline.metrics[name] !== undefined).concat(classes);
}

function judge(input: AssessmentInput, metric: string, hours: readonly Hour[]): ReturnType<typeof assessHours> {
  const known = input.baseline.metrics[metric];
  const policy = policyOf(input, metric);
  const means: HourlyMean[] = hours.flatMap(({ hour, means: all }) => {
    const seen = all[metric];
    return seen === undefined ? [] : [{ atMs: hour * HOUR_MS, mean: seen, count: 1 }];
  });
  const anchor = known?.anchor ?? known?.value ?? 0;
  const margin = policy?.practicalMargin ?? 0;
  return assessHours(
    means,
    {
      anchor,
      practicalMargin: metric === LATENCY ? Math.max(margin, anchor / 4) : margin,
      harmful: policy?.badDirection === 'down' ? 'down' : 'up',
      unit: metric === LATENCY ? 'ms' : 'ratio',
      minPoints: Math.min(input.policy.trend.minPoints, HOURS_THAT_FIT),
    },
    { metric, baseline: known?.source ?? 'no history', nowMs: input.now, staleMs: 6 * HOUR_MS },
  );
}

function policyOf({ policy }: AssessmentInput, name: string): MetricPolicy | undefined {
  return policy.metrics.find(({ metric }) => metric === (name.startsWith('recall:') ? 'recall' : name));
}

/** Reads the hours that ended since the newest known one, each once; an hour that cannot be read is left out for ever. */
async function withNewHours(telemetry: Telemetry, input: AssessmentInput, known: readonly Hour[]): Promise<Hour[]> {
  const running = Math.floor(input.now / HOUR_MS);
  const routed = Math.ceil(input.routedAt / HOUR_MS);
  const next = Math.max(routed, (known[known.length - 1]?.hour ?? -1) + 1, running - READ_HOURS);
  const hours = [...known];
  for (let hour = next; hour < running; hour += 1) {
    const read = (): Promise<CountsRow[]> => telemetry.window(input.service, hour * HOUR_MS, (hour + 1) * HOUR_MS);
    const rows = await quietly(READ_MS, `hour ${hour}`, read);
    if (rows !== null) hours.push({ hour, means: meansOf(rowsOf(rows, input.version), input) });
  }
  return hours;
}

function meansOf(rows: readonly CountsRow[], input: AssessmentInput): Hour['means'] {
  const means: Record<string, number> = {};
  const put = (name: string, count: number, mean: number): void => {
    const needed = Math.max(1, policyOf(input, name)?.minSamples ?? 1);
    if (count >= needed && Number.isFinite(mean)) means[name] = Number(mean.toPrecision(4));
  };
  const sums = sumRows(rows);
  const classes = classTallies(sums);
  for (const name of trendMetrics(input)) {
    if (name === LATENCY) {
      const latencies = rows.flatMap(({ latency }) => (latency ? [latency] : []));
      const count = latencies.reduce((all, one) => all + one.count, 0);
      put(name, count, latencies.reduce((all, one) => all + one.p95Ms * one.count, 0) / count);
    } else if (name.startsWith('recall:')) {
      const seen = classes.get(name.slice('recall:'.length));
      if (seen) put(name, seen.trials, 1 - seen.failures / seen.trials);
    } else {
      const { trials, failures } = tallyIn({ name, classLabel: null }, sums);
      put(name, trials, name === 'accuracy' ? 1 - failures / trials : failures / trials);
    }
  }
  return means;
}
