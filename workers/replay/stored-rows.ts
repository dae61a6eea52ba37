import { existsSync } from 'node:fs';
import Database from 'libsql';
import { z } from 'zod';
import { gatewayControl, parseAnswer } from '../../adapters/traffic/gateway-control';
import type { OutsideValue } from '../../domain/detection/outside-metric';
import { telemetryRowSchema, type TelemetryRow } from '../../gateway/protocol';
import type { RunPaths } from '../embedded/paths';
import { RecordRefused } from './record-error';

const SLICE_MS = 3_600_000;
const windowSchema = z.object({ rows: z.array(telemetryRowSchema) });

/** The rows that the running gateway has stored, an hour at a time. Rejects with its client's errors. */
export async function rowsOfGateway(
  paths: RunPaths,
  service: string,
  fromMs: number,
  toMs: number,
): Promise<TelemetryRow[]> {
  const control = gatewayControl({ address: paths.gatewayControl, timeoutMs: 15_000 });
  const rows: TelemetryRow[] = [];
  try {
    for (let from = fromMs; from < toMs; from += SLICE_MS) {
      const path = `/services/${encodeURIComponent(service)}/window?from=${from}&to=${Math.min(toMs, from + SLICE_MS)}`;
      const { json } = await control.call('GET', path);
      // One by one: an hour may have more rows than a call takes arguments.
      for (const row of parseAnswer(windowSchema, json, path).rows) rows.push(row);
    }
  } finally {
    await control.close();
  }
  return inOrder(rows);
}

export interface StoredRecord {
  readonly rows: TelemetryRow[];
  values(metric: string): OutsideValue[];
}

/** The rows and pushed values in a **copy** of a gateway's database; the gateway alone opens its own. */
export function rowsOfDatabase(file: string, service: string, fromMs: number, toMs: number): StoredRecord {
  if (!existsSync(file)) throw new RecordRefused(`${file}: there is no such file`);
  try {
    const db = new Database(file);
    try {
      db.exec('PRAGMA query_only = ON');
      // What is older than two days is folded to minutes there, and no row of it is left.
      const minutes = db.prepare('SELECT json FROM minutes WHERE service = ? AND minute_ms >= ? AND minute_ms < ?');
      const single = db.prepare('SELECT json FROM rows WHERE service = ? AND from_ms >= ? AND from_ms < ?');
      const texts = [minutes, single].flatMap((rows) => rows.all(service, fromMs, toMs) as { readonly json: string }[]);
      const values = pushedValues(db, service, fromMs, toMs);
      const rows = inOrder(texts.map(({ json }) => telemetryRowSchema.parse(JSON.parse(json))));
      return { rows, values: (metric) => values.filter((one) => one.metric === metric) };
    } finally {
      db.close();
    }
  } catch (fault) {
    throw new RecordRefused(
      `${file}: ${fault instanceof Error ? fault.message : String(fault)}; expected a copy of a gateway's gateway.db, with its gateway.db-wal beside it`,
      { cause: fault },
    );
  }
}

type Row = OutsideValue & { readonly metric: string };

/** None in a copy from before there were any. */
function pushedValues(db: InstanceType<typeof Database>, service: string, fromMs: number, toMs: number): Row[] {
  const table = db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'observations'").get();
  if (table === undefined) return [];
  return db
    .prepare(
      'SELECT metric, at_ms AS atMs, value, n FROM observations WHERE service = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms, seq',
    )
    .all(service, fromMs, toMs) as Row[];
}

/** In the order in which they were known. */
export function inOrder(rows: readonly TelemetryRow[]): TelemetryRow[] {
  return [...rows].sort((left, right) => left.toMs - right.toMs || left.seq - right.seq);
}
