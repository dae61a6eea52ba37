import { existsSync, readFileSync } from 'node:fs';
import { openDirectoryStore } from '../../adapters/artifacts/directory-store';
import type { OutsideValue } from '../../domain/detection/outside-metric';
import type { Mode } from '../../domain/policy';
import type { Configuration, ServiceConfiguration } from '../configuration/configuration';
import { runPaths } from '../embedded/paths';
import { openOutside } from '../outside';
import { readCsv } from './csv';
import { RecordRefused } from './record-error';
import type { Recorded } from './recording';
import { simulate, type ReplayResult } from './simulation';
import { rowsOfDatabase, rowsOfGateway } from './stored-rows';

export interface ReplayRequest {
  readonly service: ServiceConfiguration;
  readonly csv: string | null;
  /** A copy of a gateway's database. */
  readonly telemetry: string | null;
  /** Null: where the record of a file begins and ends. */
  readonly fromMs: number | null;
  readonly toMs: number;
}

export interface Replay extends ReplayResult {
  readonly service: string;
  readonly mode: Mode;
  readonly source: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly rows: number;
  readonly values: number;
  readonly notes: readonly string[];
}

const VALUES_MAX = 20_000;

/** Reads a record and runs the policy of the configuration over it. Throws {@link RecordRefused} for one that is none. */
export async function replay(configuration: Configuration, request: ReplayRequest): Promise<Replay> {
  const { service } = request;
  const { source, recorded, fromMs, toMs } = await readRecord(configuration, request);
  const { artifactDirectory } = configuration;
  const artifacts = existsSync(artifactDirectory) ? await openDirectoryStore({ directory: artifactDirectory }) : null;
  const { name, model, policy } = service;
  const result = await simulate({ service: name, model, policy, recorded, fromMs, toMs, artifacts });
  const values = [...recorded.values.values()].reduce((sum, list) => sum + list.length, 0);
  return {
    ...result,
    service: name,
    mode: policy.mode,
    source,
    fromMs,
    toMs,
    rows: recorded.rows.length,
    values,
    notes: notesOf(service, recorded),
  };
}

interface ReadRecord {
  readonly source: string;
  readonly recorded: Recorded;
  readonly fromMs: number;
  readonly toMs: number;
}

async function readRecord(configuration: Configuration, request: ReplayRequest): Promise<ReadRecord> {
  const { service, csv, telemetry, toMs } = request;
  if (csv !== null) return readFile(csv, request);
  const { fromMs } = request;
  if (fromMs === null) throw new RecordRefused('--from: is missing, expected the moment at which the replay begins');
  const notes: string[] = [];
  if (telemetry !== null) {
    const stored = rowsOfDatabase(telemetry, service.name, fromMs, toMs);
    const values = new Map(service.metrics.map(({ policy }) => [policy.metric, stored.values(policy.metric)]));
    await readPrometheus(configuration, request, fromMs, values, notes);
    return { source: telemetry, recorded: { rows: stored.rows, values, notes }, fromMs, toMs };
  }
  const rows = await rowsOfGateway(runPaths(configuration.dataDir), service.name, fromMs, toMs);
  const values = new Map<string, OutsideValue[]>();
  await readValues(
    configuration,
    service.metrics.map(({ policy }) => policy.metric),
    request,
    fromMs,
    values,
    notes,
  );
  return { source: 'the running gateway', recorded: { rows, values, notes }, fromMs, toMs };
}

function readFile(file: string, { service, fromMs, toMs }: ReplayRequest): ReadRecord {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new RecordRefused(`${file}: ${(error as Error).message}`, { cause: error });
  }
  const declared = new Set(service.metrics.map(({ policy }) => policy.metric));
  let recorded: Recorded;
  try {
    recorded = readCsv(text, declared);
  } catch (error) {
    if (!(error instanceof RecordRefused)) throw error;
    const lines = error.message.split('\n').map((line) => `${file}: ${line}`);
    throw new RecordRefused(lines.join('\n'), { cause: error });
  }
  const moments = [
    ...recorded.rows.map((row) => row.fromMs),
    ...[...recorded.values.values()].flatMap((list) => list.map(({ atMs }) => atMs)),
  ];
  if (moments.length === 0) throw new RecordRefused(`${file}: holds no value`);
  // Not spread into a call: a file may have more lines than a call takes arguments.
  const first = moments.reduce((least, atMs) => Math.min(least, atMs), Infinity);
  const last = moments.reduce((most, atMs) => Math.max(most, atMs), -Infinity);
  const within = (atMs: number): boolean => atMs >= (fromMs ?? first) && atMs < toMs;
  const rows = recorded.rows.filter((row) => within(row.fromMs));
  const values = new Map(
    [...recorded.values].map(([name, list]) => [name, list.filter(({ atMs }) => within(atMs))] as const),
  );
  return {
    source: file,
    recorded: { ...recorded, rows, values },
    fromMs: fromMs ?? first,
    // An hour more: what the last value began is looked at by the assessments that follow it.
    toMs: Math.min(toMs, last + 3_600_000),
  };
}

async function readPrometheus(
  configuration: Configuration,
  request: ReplayRequest,
  fromMs: number,
  values: Map<string, OutsideValue[]>,
  notes: string[],
): Promise<void> {
  const asked = request.service.metrics.filter(({ source }) => source.from === 'prometheus');
  await readValues(
    configuration,
    asked.map(({ policy }) => policy.metric),
    request,
    fromMs,
    values,
    notes,
  );
}

async function readValues(
  configuration: Configuration,
  metrics: readonly string[],
  { service, toMs }: ReplayRequest,
  fromMs: number,
  values: Map<string, OutsideValue[]>,
  notes: string[],
): Promise<void> {
  if (metrics.length === 0) return;
  const outside = openOutside(configuration, runPaths(configuration.dataDir));
  try {
    for (const metric of metrics) {
      try {
        values.set(metric, await outside.values(service.name, metric, fromMs, toMs, VALUES_MAX));
      } catch (error) {
        notes.push(`${metric} is left out: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  } finally {
    await outside.close();
  }
}

/** What this record cannot say, so that nobody takes its silence for an all-clear. */
function notesOf({ policy }: ServiceConfiguration, { rows, notes }: Recorded): string[] {
  const said = [...notes];
  if (policy.detection.metrics.some(({ metric }) => metric === 'memory')) said.push('memory is on no record');
  said.push(
    'how host and dependencies were is on no record, and no input is asked again: the cause is taken from deploys alone',
  );
  if (rows.length === 0) said.push('no request is on record in this time');
  return said;
}
