import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ChainedEntry, Json } from '../domain/ledger';
import type { ServiceState } from '../domain/service/state';
import { chartsQuery } from './bodies';
import type { ApiPorts } from './ports';
import { read } from './problem';
import type { ChartAlarm, ChartMark, ChartsView, MetricChart } from './types';

const BINS = 150;
const DEFAULT_SPAN_MS = 15 * 60_000;
const ENTRIES_MAX = 300;
/** Several people look at one service: one reading of its rows does for all of them. */
const FRESH_MS = 2_000;
const KEPT_MAX = 100;
/** A metric that several tiers look at has the limits of the one that acts first. */
const tierOrder = ['immediate', 'short-window', 'trend'] as const;

type Ports = Pick<ApiPorts, 'ledger' | 'decisions' | 'series'>;
type State = Pick<ServiceState, 'tiers' | 'degradations'>;

/** Control charts of the last minutes: values, the limits in force now, and the alarms and shifts on record. */
export function registerCharts(
  app: FastifyInstance,
  ports: Ports,
  serviceOf: (request: FastifyRequest) => string,
): void {
  const kept = new Map<string, { readonly at: number; readonly view: Promise<ChartsView> }>();
  app.get('/v1/services/:service/charts', { config: { needs: 'look' } }, (request) => {
    const service = serviceOf(request);
    const { span = DEFAULT_SPAN_MS } = read(chartsQuery, request.query, 'query');
    const key = `${service}/${span}`;
    const now = Date.now();
    const before = kept.get(key);
    if (before && now - before.at < FRESH_MS) return before.view;
    const view = viewCharts(ports, service, span, now);
    if (kept.size >= KEPT_MAX) kept.clear();
    kept.set(key, { at: now, view });
    view.catch(() => kept.delete(key));
    return view;
  });
}

/** Bins begin at multiples of their width: a later look has the same ones, moved on. */
export async function viewCharts(ports: Ports, service: string, spanMs: number, now: number): Promise<ChartsView> {
  const binMs = Math.max(1, Math.ceil(spanMs / BINS / 1_000)) * 1_000;
  const toMs = Math.ceil(now / binMs) * binMs;
  const fromMs = toMs - BINS * binMs;
  const [status, entries] = await Promise.all([
    ports.decisions.status(service).catch((error: unknown) => error as Error),
    ports.ledger.read(service, {
      kinds: ['degradation-began', 'degradation-ended', 'traffic-shifted'],
      newestFirst: true,
      limit: ENTRIES_MAX,
    }),
  ]);
  const state: State = status instanceof Error ? { tiers: [], degradations: [] } : status.state;
  const standing = status instanceof Error ? null : new Set(state.degradations.map(({ id }) => id));
  const alarms = alarmsOf(entries.toReversed(), standing, fromMs);
  const readings = readingsOf(state.tiers);
  for (const { reading } of alarms) if (!readings.has(reading.metric)) readings.set(reading.metric, reading);
  const series = await ports.series.read(service, [...readings.keys()], fromMs, toMs);
  return {
    service,
    at: now,
    fromMs,
    toMs,
    binMs,
    charts: [...readings.values()].map((reading): MetricChart => {
      const { metric, tier, unit, kind, observed } = reading;
      return {
        metric,
        tier,
        unit: unit ?? null,
        verdict: kind,
        observed,
        ...limitsOf(reading, state),
        points: (series.get(metric) ?? []).map(({ atMs, value }) => [atMs, value]),
        alarms: alarms.filter(({ reading: of }) => of.metric === metric).map(({ reading: _of, ...alarm }) => alarm),
      };
    }),
    marks: marksOf(entries, fromMs),
    notKnown:
      status instanceof Error ? [`which metrics are watched, and their limits: ${status.message.slice(0, 300)}`] : [],
  };
}

type Reading = State['tiers'][number];

function readingsOf(tiers: State['tiers']): Map<string, Reading> {
  const readings = new Map<string, Reading>();
  for (const tier of tierOrder)
    for (const reading of tiers) {
      const before = readings.get(reading.metric);
      if (reading.tier === tier && (before === undefined || before.limit === null))
        readings.set(reading.metric, reading);
    }
  return readings;
}

/** A verdict that stands has both limits; a reading has the one on the bad side. */
function limitsOf({ metric, expected, limit }: Reading, { degradations }: State): Limits {
  const standing = degradations.findLast(({ verdict }) => verdict.metric === metric)?.verdict;
  if (standing) return { center: standing.expected, ucl: standing.ucl, lcl: standing.lcl };
  const isUpper = limit !== null && (expected === null || limit >= expected);
  return { center: expected, ucl: isUpper ? limit : null, lcl: isUpper ? null : limit };
}

type Limits = Pick<MetricChart, 'center' | 'ucl' | 'lcl'>;
type Facts = ChainedEntry['facts'];

/** With what its verdict said: after a move of the traffic no tier has a reading of the metric yet, and its alarm is news. */
type MetricAlarm = ChartAlarm & { readonly reading: Reading };

/**
 * Those that overlap the picture, oldest first. An entry of another route has no metric, and no effect. A verdict on a version
 * that was left has no entry of its end: with the shift it stood no more. `standing` null: nobody can say what stands.
 */
function alarmsOf(
  entries: readonly ChainedEntry[],
  standing: ReadonlySet<string> | null,
  fromMs: number,
): MetricAlarm[] {
  const alarms = new Map<string, MetricAlarm>();
  for (const { kind, at, facts, summary } of entries) {
    const id = textOf(facts['id']);
    const metric = textOf(facts['metric']);
    if (id === null) continue;
    const began = alarms.get(id);
    if (kind === 'degradation-ended' && began) alarms.set(id, { ...began, toMs: at });
    if (kind !== 'degradation-began' || metric === null) continue;
    const onsetMs = numberOf(facts['onsetAt']);
    const onset = onsetMs === null ? null : onsetOf(onsetMs, facts);
    const reading = readingOf(metric, at, facts);
    alarms.set(id, { reading, atMs: at, toMs: null, onset, sentence: summary });
  }
  const left = (atMs: number): number =>
    entries.find(({ kind, at }) => kind === 'traffic-shifted' && at >= atMs)?.at ?? atMs;
  return [...alarms]
    .map(([id, alarm]) =>
      alarm.toMs === null && standing !== null && !standing.has(id) ? { ...alarm, toMs: left(alarm.atMs) } : alarm,
    )
    .filter(({ toMs }) => toMs === null || toMs >= fromMs);
}

function readingOf(metric: string, at: number, facts: Facts): Reading {
  const tier = tierOrder.find((name) => name === facts['tier']) ?? 'immediate';
  const limit = numberOf(facts['ucl']) ?? numberOf(facts['lcl']);
  return {
    ...{ tier, metric, kind: 'unmeasured', observed: null },
    ...{ expected: numberOf(facts['expected']), limit, samples: 0, at },
  };
}

function onsetOf(atMs: number, facts: Facts): NonNullable<ChartAlarm['onset']> {
  return { atMs, lowMs: numberOf(facts['onsetLow']), highMs: numberOf(facts['onsetHigh']) };
}

/** The decider and its child both write down one shift. */
function marksOf(entries: readonly ChainedEntry[], fromMs: number): ChartMark[] {
  const marks = new Map<number, ChartMark>();
  for (const { kind, at, facts, summary, seq } of entries)
    if (kind === 'traffic-shifted' && at >= fromMs)
      marks.set(numberOf(facts['epoch']) ?? -seq, { atMs: at, sentence: summary });
  return [...marks.values()].sort((left, right) => left.atMs - right.atMs);
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: Json | undefined): number | null {
  return typeof value === 'number' ? value : null;
}
