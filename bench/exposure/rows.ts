import { wilsonUpper } from '../../domain/detection/rate-limits';
import { medianRow, missingRow, quantile, row, type Row, type RowOptions } from '../report';
import type { Episode, Stages } from './episode';
import { boundMs, errorRates, INJECTIONS, LOST_CLASS, LOST_SHARE, type FaultName, type Rates } from './faults';

/** Labels come 3 to 6 s late, in batches of a quarter of a second. */
const LABEL_DELAY_MS = 4_500 + 125;
/** A row of the telemetry closes 100 ms after its first failure. */
const ROW_DELAY_MS = 100;
/** Class mix of the replayed mail. */
const CLASS_SHARE = 0.16;
export const MIN_REQUESTS = 20;
/** DESIGN, section 5: activity round trips between the verdict and the shift of an emergency. */
const ROUND_TRIPS_MAX = 4;
const EMERGENCIES: readonly FaultName[] = ['killed', 'errors500', 'hang'];
const STAGES = ['detect', 'decide', 'prepare', 'shift', 'verify'] as const satisfies readonly (keyof Stages)[];

export interface ChartFacts {
  readonly falseAlarmDays: number;
  /** Requests of the good history that the limits were made from. */
  readonly historyRequests: number;
}

/** What became of the episodes of one fault that were begun. */
export interface Made {
  readonly episodes: readonly Episode[];
  /** Why an episode could not be made: the reset before it failed, or a part of the bench did. */
  readonly failures: readonly string[];
}

/** All rows of one fault. An episode that did not settle is in every row, with what was seen until the bench gave up. */
export function rowsOf(fault: FaultName, { episodes, failures }: Made, charts: ChartFacts): Row[] {
  const enough = episodes.filter(({ sent }) => sent >= MIN_REQUESTS);
  const thin = episodes.length - enough.length;
  const why = failures[0] ?? (thin > 0 ? 'too few requests' : 'no episode');
  const of = (value: (episode: Episode) => number | null): number[] =>
    enough.map(value).filter((found): found is number => found !== null);
  const target = targetsOf(fault);
  const both = (name: string, values: readonly number[]): Row[] => [
    quantileRow(`${fault}.${name}.p50`, values, 0.5, why, target[`${name}.p50`]),
    quantileRow(`${fault}.${name}.p99`, values, 0.99, why, target[`${name}.p99`]),
  ];
  const counted = (name: string, value: (episode: Episode) => number, zero: boolean): Row =>
    sumRow(`${fault}.${name}`, enough.map(value), why, zero ? { better: 'zero' } : {});
  return [
    ...both(
      'restored',
      of(({ restoredMs }) => restoredMs),
    ),
    ...both(
      'settled',
      of(({ settledMs, watchedMs }) => settledMs ?? watchedMs),
    ),
    ...STAGES.map((stage) =>
      quantileRow(
        `${fault}.${stage}.p50`,
        of((episode) => episode.stages[stage]),
        0.5,
        why,
      ),
    ),
    roundTripsRow(fault, enough, why),
    counted('failed', ({ failed }) => failed, fault === 'killed'),
    // A fault that hits every request may cost at most those that were sent before it was over.
    counted('failed.beyond', ({ failed, sentWhileExposed }) => Math.max(0, failed - sentWhileExposed), true),
    missingRow(`${fault}.streams.broken`, '', 'mail-triage answers in one piece; bench gateway counts broken streams'),
    counted('dropped', ({ dropped }) => dropped, true),
    counted('unnoticed', ({ unnoticed }) => Number(unnoticed), false),
    counted('provisional', ({ provisional }) => Number(provisional), true),
    counted('unsettled', ({ settledMs }) => Number(settledMs === null), true),
    row(`${fault}.not_measured`, '', failures.length + thin, [failures.length + thin], { better: 'zero' }),
    differenceRow(
      `${fault}.ledger.difference`,
      of(({ restoredMs, shiftedMs, unnoticed }) => (shiftedMs === null || unnoticed ? null : shiftedMs - restoredMs)),
      episodes.length > 0 ? 'no request was bad' : why,
    ),
    differenceRow(
      `${fault}.shift.difference`,
      of(({ leftMs, shiftedMs }) => (shiftedMs === null || leftMs === null ? null : shiftedMs - leftMs)),
      episodes.length > 0 ? 'the left version answered nothing' : why,
    ),
    ...ratioRows(fault, enough, why, charts),
  ];
}

function sumRow(name: string, values: readonly number[], why: string, options: RowOptions): Row {
  if (values.length === 0) return missingRow(name, '', why, options);
  const total = values.reduce((sum, one) => sum + one, 0);
  return row(name, '', total, values, options);
}

/** Times of the ledger against the client's own, the worst episode. */
function differenceRow(name: string, differences: readonly number[], why: string): Row {
  if (differences.length === 0) return missingRow(name, 'ms', why, { target: 100 });
  const sizes = differences.map(Math.abs);
  return row(name, 'ms', Math.max(...sizes), sizes, { target: 100 });
}

/** Between verdict and shift, by the histories of the workflows. */
function roundTripsRow(fault: FaultName, episodes: readonly Episode[], why: string): Row {
  const name = `${fault}.round_trips`;
  const options: RowOptions = EMERGENCIES.includes(fault) ? { target: ROUND_TRIPS_MAX } : {};
  const values = episodes.flatMap(({ roundTrips }) => {
    if (roundTrips === null) return [];
    const { decide, prepare, shift } = roundTrips;
    return [decide.length + prepare.length + shift.length];
  });
  if (values.length === 0) return missingRow(name, '', why, options);
  return row(name, '', Math.max(...values), values, options);
}

/** Delay of the detection by the least that it can be for the rates that the alarming chart had in force. */
function ratioRows(fault: FaultName, episodes: readonly Episode[], why: string, charts: ChartFacts): Row[] {
  if (fault !== 'errors5pct' && fault !== 'oneclass') return [];
  const name = `${fault}.ratio`;
  const least = episodes.map((episode) => leastDelayMs(fault, episode, charts));
  const ratios = episodes.flatMap(({ stages: { detect } }, index) => {
    const bound = least[index] ?? null;
    return detect === null || bound === null ? [] : [detect / bound];
  });
  const others = row(`${name}.other_chart`, '', episodes.length - ratios.length);
  if (ratios.length === 0) return [missingRow(name, '', why, { target: 2 }), others];
  const known = least.filter((bound): bound is number => bound !== null);
  const peers = { 'bound.ms': Math.round(quantile(known, 0.5)) };
  return [medianRow(name, '', ratios, { target: 2, peers }), others];
}

/**
 * Null where another chart alarmed first than the one that the bound is for. A history without an error does not say that
 * there is none: the chart's rate in force is then the upper limit that the history allows, as in the detector.
 */
function leastDelayMs(
  fault: 'errors5pct' | 'oneclass',
  { metric, expected }: Episode,
  { falseAlarmDays, historyRequests }: ChartFacts,
): number | null {
  const { perSecond } = INJECTIONS[fault];
  if (expected === null) return null;
  if (fault === 'errors5pct') {
    if (metric !== 'error-rate') return null;
    const inForce = wilsonUpper(expected * historyRequests, historyRequests);
    return boundMs(errorRates(inForce, perSecond), falseAlarmDays) + ROW_DELAY_MS;
  }
  if (metric !== `recall:${LOST_CLASS}`) return null;
  const before = 1 - expected;
  const rates: Rates = { before, after: before + expected * LOST_SHARE, perSecond: perSecond * CLASS_SHARE };
  return boundMs(rates, falseAlarmDays) + LABEL_DELAY_MS;
}

function quantileRow(name: string, values: readonly number[], q: number, why: string, target?: number): Row {
  const options: RowOptions = target === undefined ? {} : { target };
  if (values.length === 0) return missingRow(name, 'ms', why, options);
  return row(name, 'ms', quantile(values, q), values, options);
}

function targetsOf(fault: FaultName): Readonly<Record<string, number>> {
  switch (fault) {
    case 'killed':
      return { 'settled.p50': 1_500, 'settled.p99': 3_000 };
    case 'errors500':
    case 'hang':
      return { 'restored.p50': 2_000, 'restored.p99': 4_000 };
    case 'errors5pct':
    case 'oneclass':
      return {};
  }
}
