import { z } from 'zod';
import { driftMeasure, knownMethods, type ReportTool } from '../../domain/detection/drift-methods';
import type { OutsideMetric } from '../../domain/policy';
import { count, duration, httpUrl } from './fields';
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

const source = z.union([z.literal('observations'), z.strictObject({ prometheus }), report], {
  error: 'observations, {prometheus: {url, query, every}}, or {report: evidently or whylogs, …}',
});

/** One entry of `services.<name>.metrics`: a series of values that comes from outside. */
export const outsideMetricSchema = z.strictObject({
  kind: z.enum(['rate', 'mean', 'quantile', 'memory', 'distribution']),
  direction: z.enum(['up', 'down', 'both']).prefault('up'),
  tier: z.enum(['immediate', 'short-window', 'trend']).prefault('short-window'),
  unit: text(24).optional(),
  /** In the metric's own unit; a smaller change is never a degradation. */
  practicalMargin: positive,
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

export function resolveOutsideMetrics(
  metrics: Readonly<Record<string, OutsideMetricText>>,
  shortWindowMs: number,
): DeclaredMetric[] {
  return Object.entries(metrics).map(([metric, declared]) => {
    const { kind, direction, tier, practicalMargin, minSamples } = declared;
    const resolved = resolveSource(declared.source);
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
        from: resolved.from === 'prometheus' ? 'prometheus' : 'pushed',
      },
    };
  });
}

function resolveSource(text: OutsideMetricText['source']): OutsideMetricSource {
  if (text === 'observations') return { from: 'observations' };
  if ('prometheus' in text) {
    const { url, query, every } = text.prometheus;
    return { from: 'prometheus', url, query, everyMs: every };
  }
  const { report: tool, metric = 'ValueDrift', column = null, method = null, field = null } = text;
  return { from: 'report', tool, metric, column, method, field };
}

function defaultUnit(kind: OutsideMetric['kind'], from: OutsideMetricSource): string {
  if (from.from === 'report' && from.method !== null && driftMeasure(from.tool, from.method) === 'p-value')
    return '(-log10 p)';
  const units = { rate: 'ratio', memory: 'bytes', distribution: '(distance)', mean: '', quantile: '' } as const;
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
    if (taken.has(name))
      problems.push(found('is the name of a metric that lastgood measures itself; take another one'));
    if (declared.unit === undefined && (declared.kind === 'mean' || declared.kind === 'quantile'))
      problems.push(found(`is missing, expected the unit of a ${declared.kind}, such as ms or tokens`, 'unit'));
    if (typeof declared.source === 'object' && 'prometheus' in declared.source) {
      const { username, password } = new URL(declared.source.prometheus.url);
      if (username !== '' || password !== '')
        problems.push(found('found a name or password in it, expected none', 'source', 'prometheus', 'url'));
    }
    if (typeof declared.source === 'object' && 'report' in declared.source)
      problems.push(...checkReport(declared, declared.source).map(([problem, ...path]) => found(problem, ...path)));
    return problems;
  });
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
