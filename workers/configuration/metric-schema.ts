import { z } from 'zod';
import { driftMeasure, knownMethods, type ReportTool } from '../../domain/detection/drift-methods';
import type { EngineQuery, EngineRead } from '../../domain/detection/engine-reading';
import type { OutsideMetric } from '../../domain/policy';
import { alertmanagerUrl, count, duration, httpUrl, path } from './fields';
import { restsOnEstimates } from '../../domain/detection/estimated-metrics';
import { defaultMetrics } from './policy-defaults';

const positive = z.number('a number above 0').gt(0, 'a number above 0');
const text = (max: number) => z.string().min(1).max(max, `at most ${max} characters`);

const prometheus = z.strictObject({
  /** Base address, such as http://127.0.0.1:9090; a name and password may not stand in it. */
  url: httpUrl,
  /** PromQL that gives one series. */
  query: text(2_000),
  every: duration({ min: '1s', max: '1d' }).prefault('15s'),
});

const report = z.strictObject({
  report: z.enum(['evidently', 'whylogs']),
  /** Evidently: the kind of metric, such as `ValueDrift`, `DriftedColumnsCount`, `MissingValueCount`. */
  metric: text(100).optional(),
  column: text(200).optional(),
  /** As the report writes it, such as `K-S p_value`, `PSI`, `ks`: it decides which way is bad. */
  method: text(100).optional(),
  /** Where the value is an object, such as `{count, share}`. */
  field: text(50).optional(),
});

const seriesName = z
  .string()
  .regex(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$/, 'the name of a series, such as vllm:num_requests_waiting');
const labels = z.record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'the name of a label'), text(200));

const engine = z.strictObject({
  /** Name of the series as the server writes it; of a histogram without `_bucket`, `_sum`, `_count`. */
  engine: seriesName,
  /** Default by the server's own word: a gauge as it stands, a counter as its rate a second, a histogram as its mean. */
  read: z.enum(['value', 'rate', 'ratio', 'mean', 'p50', 'p90', 'p95', 'p99']).optional(),
  /** Only series that have these; without them every series of the name. */
  labels: labels.prefault({}),
  /** For `ratio`: the counter whose increase is divided by. */
  per: z.strictObject({ engine: seriesName, labels: labels.prefault({}) }).optional(),
  /** `zero` for a counter that a server shows only after its first event. */
  missing: z.enum(['unmeasured', 'zero']).prefault('unmeasured'),
  path: z
    .string()
    .regex(/^\/[^\s?#]*$/, 'a path such as /metrics')
    .max(100)
    .prefault('/metrics'),
  /** Where the metrics have a port of their own, as Triton's. */
  port: count(1, 65_535).optional(),
  every: duration({ min: '5s', max: '10m' }).prefault('15s'),
});

const alertmanager = z.strictObject({
  /** Base address, such as http://127.0.0.1:9093. */
  url: alertmanagerUrl,
  alert: text(200),
  /** Labels that the alert has besides; those of another service's alert would be another alert. */
  labels: labels.prefault({}),
  /** One that always fires; while it does not, nothing is measured. Without it a Prometheus that is down looks good. */
  heartbeat: z.strictObject({ alert: text(200).prefault('Watchdog'), labels: labels.prefault({}) }).optional(),
  every: duration({ min: '5s', max: '10m' }).prefault('15s'),
  tokenFile: path.optional(),
});

const source = z.union(
  [z.literal('observations'), z.strictObject({ prometheus }), z.strictObject({ alertmanager }), report, engine],
  {
    error:
      'observations, {prometheus: {url, query, every}}, {alertmanager: {url, alert, labels, every}}, {engine: NAME, …}, or {report: evidently or whylogs, …}',
  },
);

/** One entry of `services.<name>.metrics`: a series of values that comes from outside. */
export const outsideMetricSchema = z.strictObject({
  kind: z.enum(['rate', 'mean', 'quantile', 'memory', 'distribution', 'series']),
  direction: z.enum(['up', 'down', 'both']).prefault('up'),
  tier: z.enum(['immediate', 'short-window', 'trend']).prefault('short-window'),
  unit: text(24).optional(),
  /** In the metric's own unit; a smaller change is never a degradation. Only a `series` can do without. */
  practicalMargin: positive.optional(),
  /** Samples that make one point of the chart. */
  minSamples: count(1, 1_000_000).prefault(1),
  /** How far back an assessment looks. Default: that of the short window; a day for the trend tier. */
  window: duration({ min: '1m', max: '30d' }).optional(),
  source: source.prefault('observations'),
});

export const outsideMetricsSchema = z
  .record(
    z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'a metric name: lower-case letters, digits and -'),
    outsideMetricSchema,
  )
  .refine((metrics) => Object.keys(metrics).length <= 20, 'at most 20 metrics');

export type OutsideMetricText = z.output<typeof outsideMetricSchema>;

/** Where the values of a declared metric come from; only the processes that ask know it. */
export type OutsideMetricSource =
  | { readonly from: 'observations' }
  | { readonly from: 'prometheus'; readonly url: string; readonly query: string; readonly everyMs: number }
  | {
      readonly from: 'alertmanager';
      readonly url: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly heartbeat: Readonly<Record<string, string>> | null;
      readonly everyMs: number;
      readonly tokenFile: string | null;
    }
  | {
      readonly from: 'engine';
      readonly query: EngineQuery;
      readonly path: string;
      readonly port: number | null;
      readonly everyMs: number;
    }
  | {
      readonly from: 'report';
      readonly tool: ReportTool;
      readonly metric: string;
      readonly column: string | null;
      readonly method: string | null;
      readonly field: string | null;
    };

export interface DeclaredMetric {
  readonly policy: OutsideMetric;
  readonly source: OutsideMetricSource;
}

const DAY_MS = 86_400_000;

/** `absolute` finds the files that the configuration names. */
export function resolveOutsideMetrics(
  metrics: Readonly<Record<string, OutsideMetricText>>,
  shortWindowMs: number,
  absolute: (file: string) => string,
): DeclaredMetric[] {
  return Object.entries(metrics).map(([metric, declared]) => {
    const { kind, direction, tier, practicalMargin = 0, minSamples } = declared;
    const resolved = resolveSource(declared.source, absolute);
    return {
      source: resolved,
      policy: {
        metric,
        kind,
        badDirection: direction,
        tier,
        unit: declared.unit ?? defaultUnit(kind, resolved),
        practicalMargin,
        minSamples,
        windowMs: declared.window ?? (tier === 'trend' ? DAY_MS : shortWindowMs),
        from: resolved.from === 'report' || resolved.from === 'observations' ? 'pushed' : resolved.from,
      },
    };
  });
}

function resolveSource(text: OutsideMetricText['source'], absolute: (file: string) => string): OutsideMetricSource {
  if (text === 'observations') return { from: 'observations' };
  if ('prometheus' in text) {
    const { url, query, every } = text.prometheus;
    return { from: 'prometheus', url, query, everyMs: every };
  }
  if ('alertmanager' in text) {
    const { url, alert, labels: more, heartbeat: beat, every: everyMs, tokenFile: file } = text.alertmanager;
    const heartbeat = beat === undefined ? null : { ...beat.labels, alertname: beat.alert };
    const tokenFile = file === undefined ? null : absolute(file);
    return { from: 'alertmanager', url, labels: { ...more, alertname: alert }, heartbeat, everyMs, tokenFile };
  }
  if ('engine' in text) {
    const { engine: name, labels, missing, path, port = null, every: everyMs } = text;
    return { from: 'engine', query: { name, labels, missing, read: readOf(text) }, path, port, everyMs };
  }
  const { report: tool, metric = 'ValueDrift', column = null, method = null, field = null } = text;
  return { from: 'report', tool, metric, column, method, field };
}

function readOf({ read, per }: z.output<typeof engine>): EngineRead {
  switch (read) {
    case undefined:
      return { how: 'auto' };
    case 'value':
    case 'rate':
    case 'mean':
      return { how: read };
    case 'ratio':
      return { how: read, per: { name: per?.engine ?? '', labels: per?.labels ?? {} } };
    case 'p50':
    case 'p90':
    case 'p95':
    case 'p99':
      return { how: 'quantile', q: Number(read.slice(1)) / 100 };
  }
}

function defaultUnit(kind: OutsideMetric['kind'], from: OutsideMetricSource): string {
  if (from.from === 'report' && from.method !== null && driftMeasure(from.tool, from.method) === 'p-value')
    return '(-log10 p)';
  const units = {
    rate: 'ratio',
    memory: 'bytes',
    distribution: '(distance)',
    mean: '',
    quantile: '',
    series: '',
  } as const;
  return units[kind];
}

/** What one value of a metric does not show: names that are taken, sources that contradict the kind. */
export function checkOutsideMetrics(
  metrics: Readonly<Record<string, OutsideMetricText>>,
): { readonly path: readonly string[]; readonly problem: string }[] {
  const taken = new Set([...defaultMetrics.map(({ metric }) => metric), 'live-backend']);
  return Object.entries(metrics).flatMap(([name, declared]) => {
    const found = (problem: string, ...path: string[]) => ({ path: [name, ...path], problem });
    const problems = [];
    if (taken.has(name) || restsOnEstimates(name))
      problems.push(found('is the name of a metric that lastgood measures itself; take another one'));
    if (declared.practicalMargin === undefined && declared.kind !== 'series')
      problems.push(found('is missing, expected a number above 0', 'practicalMargin'));
    if (declared.kind === 'series' && declared.tier === 'immediate')
      problems.push(
        found('found immediate, expected short-window or trend: a series needs five values for a verdict', 'tier'),
      );
    if (declared.unit === undefined && (declared.kind === 'mean' || declared.kind === 'quantile'))
      problems.push(found(`is missing, expected the unit of a ${declared.kind}, such as ms or tokens`, 'unit'));
    if (typeof declared.source === 'object' && 'prometheus' in declared.source) {
      const { username, password } = new URL(declared.source.prometheus.url);
      if (username !== '' || password !== '')
        problems.push(found('found a name or password in it, expected none', 'source', 'prometheus', 'url'));
    }
    if (typeof declared.source === 'object' && 'alertmanager' in declared.source && declared.kind !== 'rate')
      problems.push(found(`found ${declared.kind}, expected rate: an alert fires or does not, 1 or 0`, 'kind'));
    if (typeof declared.source === 'object' && 'engine' in declared.source)
      problems.push(...checkEngine(declared, declared.source).map(([problem, ...path]) => found(problem, ...path)));
    if (typeof declared.source === 'object' && 'report' in declared.source)
      problems.push(...checkReport(declared, declared.source).map(([problem, ...path]) => found(problem, ...path)));
    return problems;
  });
}

function checkEngine(
  { kind }: OutsideMetricText,
  { read, per }: z.output<typeof engine>,
): [problem: string, ...path: string[]][] {
  const problems: [string, ...string[]][] = [];
  if (read === 'ratio' && per === undefined)
    problems.push(['is missing, expected the counter whose increase is divided by', 'source', 'per']);
  if (read !== 'ratio' && per !== undefined)
    problems.push([
      `found one for a ${read ?? 'value as it comes'}, expected it with read: ratio only`,
      'source',
      'per',
    ]);
  if (kind === 'rate' && read !== 'ratio' && read !== 'value')
    problems.push([
      'found rate, which is a share of 0 to 1; expected mean for a number a second, or read: ratio with per',
      'kind',
    ]);
  return problems;
}

function checkReport(
  declared: OutsideMetricText,
  { report: tool, metric = 'ValueDrift', column, method, field }: z.output<typeof report>,
): [problem: string, ...path: string[]][] {
  const isDrift = tool === 'whylogs' || metric === 'ValueDrift';
  const problems: [string, ...string[]][] = [];
  if (isDrift && column === undefined)
    problems.push(['is missing, expected the column whose drift is meant', 'source', 'column']);
  if (isDrift && (method === undefined || driftMeasure(tool, method) === null)) {
    const known = knownMethods(tool).join(', ');
    const said = method === undefined ? 'is missing' : `found "${method}", which is not known`;
    problems.push([
      `${said}; a p-value is bad when small, a distance when large: expected one of ${known}`,
      'source',
      'method',
    ]);
  }
  if (isDrift && declared.direction !== 'up')
    problems.push([`found "${declared.direction}", expected up: a drift is read so that more is worse`, 'direction']);
  if (isDrift && declared.kind !== 'distribution')
    problems.push([`found "${declared.kind}", expected distribution for a drift of a column`, 'kind']);
  if (tool === 'whylogs' && (field !== undefined || metric !== 'ValueDrift'))
    problems.push(['found metric or field, which whylogs does not have', 'source']);
  return problems;
}
