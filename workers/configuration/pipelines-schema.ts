import { resolve } from 'node:path';
import { z } from 'zod';
import type { PipelinePolicy } from '../../domain/items/pipeline-policy';
import { AFTER_MS, BEFORE_MS } from '../../domain/items/pipeline-policy';
import type { ColumnValue, PostgresFlush, PostgresSink } from '../../adapters/pipelines/postgres-options';
import type { PostgresConfiguration } from './configuration';
import type { Contradiction } from './cross-checks';
import { count, duration, httpUrl, isLoopback, path } from './fields';
import { postgresConnection, resolvePostgres } from './ledger-schema';

/** `services.<name>.pipelines`: where items come from and where their results go. */
const tableWords = 'table or schema.table';
const table = z.string(tableWords).regex(/^[^.\s"]{1,63}(\.[^.\s"]{1,63})?$/, tableWords);
const column = z.string('the name of a column').min(1, 'the name of a column').max(63, 'the name of a column');
const columnWords = 'output.NAME, outputs, version, key, item, incident or now';
const value = z
  .string(columnWords)
  .regex(/^(output\.[^\s]{1,128}|outputs|version|key|item|incident|now)$/, columnWords);
const columns = z.record(column, value).refine((given) => Object.keys(given).length > 0, 'at least one column');

const common = {
  action: z.enum(['reprocess', 'flush', 'flag']),
  effects: z.enum(['reversible', 'irreversible']).prefault('reversible'),
  /** Irreversible effects may happen a second time. */
  redo: z.enum(['refused', 'allowed']).prefault('refused'),
  unit: z.enum(['item', 'batch']).prefault('item'),
  /** Nothing is deleted or marked void. */
  legalHold: z.boolean().prefault(false),
  before: duration({ max: '7d' }).prefault('5m'),
  after: duration({ max: '1d' }).prefault('1m'),
  /** Requests to the model that are under way at once, at most. */
  concurrency: count(1, 64).prefault(4),
};

const postgres = z.strictObject({
  kind: z.literal('postgres'),
  ...common,
  database: postgresConnection,
  /** One row an item. */
  table,
  id: column,
  version: column,
  handledAt: column,
  request: column.optional(),
  batch: column.optional(),
  /** `into: row` writes into the item's own row, the name of a table adds a row there. */
  result: z.strictObject({ into: z.union([z.literal('row'), table]).prefault('row'), columns }).optional(),
  flush: z
    .union(
      [z.literal('delete'), z.strictObject({ set: z.record(column, z.string().max(1_000)) })],
      'delete or {set: {COLUMN: VALUE}}',
    )
    .optional(),
  marks: table.prefault('lastgood_redone'),
});

const webhook = z.strictObject({
  kind: z.literal('webhook'),
  ...common,
  url: httpUrl,
  tokenFile: path.optional(),
  /** The receiver has an effect once for each idempotency key, however often it hears it. */
  honoursKey: z.boolean().prefault(false),
  timeout: duration({ min: '100ms', max: '5m' }).prefault('30s'),
});

const redis = z.strictObject({
  kind: z.literal('redis'),
  ...common,
  url: z
    .string('redis://host:port')
    .regex(/^rediss?:\/\/[^/\s@]+(\/\d{1,2})?$/, 'redis://host:port or rediss://host:port, without a password'),
  user: z.string().min(1).max(128).optional(),
  passwordFile: path.optional(),
  /** Stream with one entry for each handled item; its entries' ids are the times. */
  stream: z.string().min(1).max(512),
  /** Stream that results are added to. */
  results: z.string().min(1).max(512),
  id: z.string().min(1).max(128),
  version: z.string().min(1).max(128),
  request: z.string().min(1).max(128),
  batch: z.string().min(1).max(128).optional(),
  /** The entries of one batch are at most so far from each other in time. */
  batchWithin: duration({ min: '1s', max: '1d' }).prefault('10m'),
  /** Consumer group that reads the stream: what it has not read yet is replaced or taken out. */
  group: z.string().min(1).max(128).optional(),
});

const record = z.strictObject({
  kind: z.literal('gateway-record'),
  ...common,
  action: z.literal('flag', { error: 'flag: the record has no request that could be sent again' }),
});

export const pipelinesSchema = z
  .record(
    z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'a pipeline name: lower-case letters, digits and -, at most 40'),
    z.discriminatedUnion('kind', [postgres, webhook, redis, record]),
  )
  .refine((given) => Object.keys(given).length <= 8, 'at most 8 pipelines');

export type PipelinesText = z.output<typeof pipelinesSchema>;
type PipelineText = PipelinesText[string];

interface Common {
  readonly name: string;
  readonly unit: 'item' | 'batch';
  readonly concurrency: number;
}

export type PipelineConfiguration = Common &
  (
    | {
        readonly kind: 'postgres';
        readonly database: PostgresConfiguration;
        readonly source: {
          readonly table: string;
          readonly id: string;
          readonly version: string;
          readonly handledAt: string;
          readonly request: string | null;
          readonly batch: string | null;
        };
        readonly sink: PostgresSink | null;
        readonly flush: PostgresFlush | null;
        readonly marks: string;
      }
    | {
        readonly kind: 'webhook';
        readonly url: string;
        readonly tokenFile: string | null;
        readonly honoursKey: boolean;
        readonly timeoutMs: number;
      }
    | {
        readonly kind: 'redis';
        readonly url: string;
        readonly user: string | null;
        readonly passwordFile: string | null;
        readonly stream: string;
        readonly results: string;
        readonly fields: {
          readonly id: string;
          readonly version: string;
          readonly request: string;
          readonly batch: string | null;
        };
        readonly batchWithinMs: number;
        readonly group: string | null;
      }
    | { readonly kind: 'gateway-record' }
  );

export function resolvePipelines(text: PipelinesText, here: string): PipelineConfiguration[] {
  return Object.entries(text).map(([name, one]) => resolvePipeline(name, one, here));
}

function resolvePipeline(name: string, text: PipelineText, here: string): PipelineConfiguration {
  const orNull = (file: string | undefined): string | null => (file === undefined ? null : resolve(here, file));
  const common = { name, unit: text.unit, concurrency: text.concurrency };
  switch (text.kind) {
    case 'postgres': {
      const { table: from, id, version, handledAt, request = null, batch = null, result, flush, marks } = text;
      return {
        ...common,
        kind: 'postgres',
        database: resolvePostgres(text.database, here) as PostgresConfiguration,
        source: { table: from, id, version, handledAt, request, batch },
        sink: result === undefined ? null : sinkOf(result),
        flush:
          flush === undefined ? null : flush === 'delete' ? { kind: 'delete' } : { kind: 'set', columns: flush.set },
        marks,
      };
    }
    case 'webhook': {
      const { url, honoursKey, timeout: timeoutMs } = text;
      return { ...common, kind: 'webhook', url, tokenFile: orNull(text.tokenFile), honoursKey, timeoutMs };
    }
    case 'redis': {
      const { url, user = null, stream, results, id, version, request, batch = null, group = null } = text;
      const place = { url, user, passwordFile: orNull(text.passwordFile), stream, results, group };
      const fields = { id, version, request, batch };
      return { ...common, kind: 'redis', ...place, fields, batchWithinMs: text.batchWithin };
    }
    case 'gateway-record':
      return { ...common, kind: 'gateway-record' };
  }
}

function sinkOf({
  into,
  columns: given,
}: {
  readonly into: string;
  readonly columns: Readonly<Record<string, string>>;
}): PostgresSink {
  const named = Object.fromEntries(
    Object.entries(given).map(([name, from]): [string, ColumnValue] => [
      name,
      from.startsWith('output.') ? { output: from.slice('output.'.length) } : (from as Exclude<ColumnValue, object>),
    ]),
  );
  return into === 'row' ? { kind: 'update', columns: named } : { kind: 'insert', table: into, columns: named };
}

/** What of it the service workflow must know; what has its default is left out, because its state has little room. */
export function pipelinePolicies(text: PipelinesText, isHeld = false): PipelinePolicy[] {
  return Object.entries(text).map(([name, { action, effects, redo, unit, legalHold, before, after }]) => ({
    name,
    action,
    ...(effects === 'irreversible' && { effects }),
    ...(redo === 'allowed' && { redo }),
    ...(unit === 'batch' && { unit }),
    ...((legalHold || isHeld) && { legalHold: true as const }),
    ...(before !== BEFORE_MS && { beforeMs: before }),
    ...(after !== AFTER_MS && { afterMs: after }),
  }));
}

/** Paths begin at the service. */
export function checkPipelines(text: PipelinesText, itemId: boolean): Contradiction[] {
  return Object.entries(text).flatMap(([name, one]) =>
    problemsOf(one, itemId).map(({ path: at, problem }) => ({ path: ['pipelines', name, ...at], problem })),
  );
}

function problemsOf(one: PipelineText, itemId: boolean): Contradiction[] {
  const found: Contradiction[] = [];
  const miss = (key: string, problem: string): void => void found.push({ path: [key], problem });
  if (one.kind === 'postgres') {
    const { host, tls } = one.database;
    if (!isLoopback(host) && tls === undefined)
      found.push({
        path: ['database', 'host'],
        problem: `found ${host}, which is not loopback: items would cross the network unencrypted; expected database.tls`,
      });
    if (one.action === 'reprocess' && one.request === undefined)
      miss('action', 'found reprocess without request: expected the column with the request that is sent again');
    if (one.action === 'reprocess' && one.result === undefined)
      miss('action', 'found reprocess without result: expected where the result is written');
    if (one.action === 'flush' && one.flush === undefined)
      miss('action', 'found flush without flush: expected delete or {set: {COLUMN: VALUE}}');
    if (one.unit === 'batch' && one.batch === undefined)
      miss('unit', 'found batch without batch: expected the column with the batch of an item');
  }
  if (one.kind === 'redis' && one.unit === 'batch' && one.batch === undefined)
    miss('unit', 'found batch without batch: expected the field of an entry with its batch');
  if (one.kind === 'gateway-record' && one.unit === 'batch')
    miss('unit', 'found batch, expected item: the record knows no batches');
  if (one.kind === 'webhook' && one.tokenFile !== undefined) {
    const { protocol, hostname } = new URL(one.url);
    if (protocol === 'http:' && !isLoopback(hostname))
      miss('url', `found a token that goes over plain HTTP to ${hostname}, expected https://`);
  }
  if (one.kind === 'redis' && one.passwordFile !== undefined && one.url.startsWith('redis:')) {
    const { hostname } = new URL(one.url);
    if (!isLoopback(hostname)) miss('url', `found a password that goes without TLS to ${hostname}, expected rediss://`);
  }
  if (one.kind === 'gateway-record' && !itemId)
    miss(
      'kind',
      'found gateway-record without itemId and the gateway as router: expected the header or field in which clients name the item (HAProxy keeps none)',
    );
  return found;
}
