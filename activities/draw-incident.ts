import { createHash } from 'node:crypto';
import { incidentChart, type IncidentPicture } from '../domain/chart/incident-chart';
import type { ChainedEntry, Json } from '../domain/ledger';
import type { ControlActivities } from '../workflows/contract/activities';
import { metricSeries } from './detection/read-series';
import type { EvidenceStore, Ledger, OutsideMetrics, Telemetry } from './ports';

export interface DrawingPorts {
  readonly ledger: Ledger;
  readonly telemetry: Telemetry;
  readonly outside: OutsideMetrics;
  readonly evidence: EvidenceStore;
}

/** The ledger does not have the decision yet that the picture is about; it is asked again. */
export class IncidentNotRecorded extends Error {
  override readonly name = 'IncidentNotRecorded';
}

const READ_MS = 15_000;
const MINUTE_MS = 60_000;
const BEFORE_MIN_MS = 5 * MINUTE_MS;
/** What is bad takes about an eighth of the picture: an incident of seconds beside half an hour would be a line on its edge. */
const BEFORE_TIMES = 7;
const BEFORE_MAX_MS = 7 * 86_400_000;
const ENTRIES_MAX = 500;

type Facts = Readonly<Record<string, Json>>;

/**
 * The picture of an incident's metric, kept as a file that is named by its digest; the ledger says the digest. Drawn when
 * the incident is decided on and again when it has settled or ended. Idempotent by the ledger's key: the first picture of
 * a moment stays, also when later rows would draw it differently. Null where there is nothing to draw.
 */
export function drawIncident(ports: DrawingPorts): ControlActivities['drawIncident'] {
  const { ledger, evidence } = ports;
  return async ({ service, incident, at, moment }) => {
    const entries = await ledger.read(service, { incident, limit: ENTRIES_MAX });
    const key = `chart/${service}/${incident}/${moment}/${at}`;
    const drawn = entries.find((entry) => entry.key === key);
    if (drawn) return { digest: digestOf(drawn) };
    if (!entries.some((entry) => entry.kind === moment && entry.at === at))
      throw new IncidentNotRecorded(`${service} ${incident}: no entry ${moment} yet`);
    const verdict = verdictOf(entries);
    if (!verdict) return { digest: null };
    const picture = await pictureOf(ports, { service, incident, at, entries, verdict });
    const svg = incidentChart(picture);
    const digest = `sha256:${createHash('sha256').update(svg).digest('hex')}`;
    await evidence.keep(service, incident, digest, svg);
    await ledger.append({
      service,
      key,
      at,
      kind: 'evidence-kept',
      incident,
      actor: { name: 'lastgood', proof: 'lastgood', from: 'controller' },
      summary: `picture of ${picture.metric} kept`,
      facts: { chart: { digest, bytes: Buffer.byteLength(svg), media: 'image/svg+xml' } },
    });
    return { digest };
  };
}

function digestOf({ facts }: ChainedEntry): string | null {
  return textOf(recordOf(facts['chart']), 'digest');
}

/** That of the newest decision: what was held first may have been decided on another metric. */
function verdictOf(entries: readonly ChainedEntry[]): Facts | null {
  const decided = entries.filter(({ facts }) => recordOf(facts['verdict']) !== null);
  return recordOf(decided.at(-1)?.facts['verdict']);
}

interface Told {
  readonly service: string;
  readonly incident: string;
  readonly at: number;
  readonly entries: readonly ChainedEntry[];
  readonly verdict: Facts;
}

async function pictureOf(ports: DrawingPorts, told: Told): Promise<IncidentPicture> {
  const { service, incident, at, entries, verdict } = told;
  const metric = textOf(verdict, 'metric') ?? '?';
  const onsetMs = numberOf(verdict, 'onsetMs');
  const settled = entries.findLast(({ kind }) => kind === 'settled')?.facts ?? {};
  const shifted = entries.findLast(({ kind }) => kind === 'traffic-shifted')?.at ?? null;
  const began = Math.min(at, onsetMs ?? at, numberOf(verdict, 'onsetLowMs') ?? at, numberOf(verdict, 'sinceMs') ?? at);
  const earliestMs = began - Math.min(BEFORE_MAX_MS, Math.max(BEFORE_MIN_MS, BEFORE_TIMES * (at - began)));
  // What cannot be read any more is a gap; an incident without its values still has its limits and moments.
  const series = await metricSeries(ports, { timeoutMs: READ_MS }).read(service, [metric], earliestMs, at);
  const all = series.get(metric) ?? [];
  // Nothing was measured before the first value: no room for it.
  const firstMs = all.find(({ value }) => value !== null)?.atMs ?? earliestMs;
  const fromMs = Math.max(earliestMs, Math.min(began, firstMs));
  const alarmMs =
    numberOf(settled, 'detectedAt') ?? (await detectedAt(ports.ledger, told, metric)) ?? entries[0]?.at ?? null;
  return {
    service,
    incident,
    metric,
    unit: textOf(verdict, 'unit') ?? '',
    sentence: textOf(verdict, 'sentence') ?? '',
    fromMs,
    toMs: at,
    points: all.filter(({ atMs }) => atMs >= fromMs),
    center: numberOf(verdict, 'expected'),
    ucl: numberOf(verdict, 'ucl'),
    lcl: numberOf(verdict, 'lcl'),
    onset:
      onsetMs === null
        ? null
        : { atMs: onsetMs, lowMs: numberOf(verdict, 'onsetLowMs'), highMs: numberOf(verdict, 'onsetHighMs') },
    alarmMs,
    shiftMs: numberOf(settled, 'shiftedAt') ?? shifted,
  };
}

/** A verdict is recorded before its incident opens: its entry carries no incident. */
async function detectedAt(ledger: Ledger, { service, at }: Told, metric: string): Promise<number | null> {
  const began = await ledger.read(service, { kinds: ['degradation-began'], untilMs: at, newestFirst: true, limit: 20 });
  return began.find(({ facts }) => textOf(facts, 'metric') === metric)?.at ?? null;
}

function recordOf(value: Json | undefined): Facts | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Facts) : null;
}

function numberOf(facts: Facts, name: string): number | null {
  const value = facts[name];
  return typeof value === 'number' ? value : null;
}

function textOf(facts: Facts | null, name: string): string | null {
  const value = facts?.[name];
  return typeof value === 'string' ? value : null;
}
