import type { TreatOrder } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import { itemKey } from '../../domain/items/treated';
import { PipelineRefused } from './errors';
import { textOf } from './postgres-listing';
import { quoted, type Ask } from './postgres-database';
import type { ColumnValue, PostgresPipelineOptions } from './postgres-options';

export interface SourceRow {
  readonly item: string;
  readonly version: string;
  /** Null: it cannot be sent, and `why` says so. */
  readonly body: Json | null;
  readonly why: string | null;
}

export interface Result {
  readonly item: string;
  readonly version: string;
  readonly outputs: Readonly<Record<string, string | number>>;
}

const BODY_BYTES = 1024 * 1024;

/** The rows of the items, and what is written into them or beside them. */
export class PostgresRows {
  private readonly table: string;
  private readonly id: string;
  private readonly version: string;
  private readonly batch: string | null;
  private types: { readonly id: string; readonly batch: string | null } | null = null;

  constructor(private readonly options: PostgresPipelineOptions) {
    const { source } = options;
    this.table = quoted(source.table);
    this.id = quoted(source.id);
    this.version = quoted(source.version);
    this.batch = source.batch === null ? null : quoted(source.batch);
  }

  /** Asks for the types of the columns once: an id that is compared as text would not be found by its index. */
  async ensure(ask: Ask): Promise<void> {
    if (this.types) return;
    const { source } = this.options;
    const rows = await ask(
      `select attname as name, atttypid::regtype::text as type from pg_attribute
        where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
      [this.table],
    );
    const typeOf = (column: string): string => {
      const found = rows.find((row) => row['name'] === column);
      if (found) return textOf(found, 'type');
      throw new PipelineRefused(`${source.table}: found no column ${column}`);
    };
    this.types = { id: typeOf(source.id), batch: source.batch === null ? null : typeOf(source.batch) };
  }

  async read(ask: Ask, items: readonly string[]): Promise<SourceRow[]> {
    return (await ask(`${this.selectRow()} where ${this.amongItems()}`, [items, BODY_BYTES])).map(sourceRow);
  }

  async readBatch(ask: Ask, batch: string, limit: number): Promise<SourceRow[]> {
    const type = this.types?.batch ?? 'text';
    const where = `where ${this.batch ?? 'null'} = $1::text::${type} order by ${this.id} limit $3`;
    return (await ask(`${this.selectRow()} ${where}`, [batch, BODY_BYTES, limit])).map(sourceRow);
  }

  /** Locks those that nobody else has locked, until the end of the transaction: item → version. */
  async lock(ask: Ask, items: readonly string[]): Promise<Map<string, string>> {
    const rows = await ask(
      `select ${this.id}::text as item, ${this.version}::text as version from ${this.table}
        where ${this.amongItems()} order by ${this.id} for update skip locked`,
      [items],
    );
    return new Map(rows.map((row) => [textOf(row, 'item'), String(row['version'])]));
  }

  /** The effects of one transaction; rejects when a row did not take it, so that nothing of it stays. */
  async write(ask: Ask, order: TreatOrder, results: readonly Result[]): Promise<void> {
    const { sink, source } = this.options;
    if (results.length === 0) return;
    if (sink === null) throw new PipelineRefused(`${order.pipeline}: no sink is configured, so nothing can be redone`);
    const names = Object.keys(sink.columns);
    const target = sink.kind === 'insert' ? quoted(sink.table) : this.table;
    const records = results.map((result) => ({
      ...Object.fromEntries(names.map((name) => [name, valueOf(sink.columns[name] ?? 'now', order, result)])),
      ...(sink.kind === 'update' && { [source.id]: result.item }),
    }));
    const columns = names.map(quoted);
    const from = `jsonb_populate_recordset(null::${target}, $1::jsonb) as d`;
    const rows =
      sink.kind === 'insert'
        ? await ask(
            `insert into ${target} (${columns.join(', ')}) select ${columns.map((one) => `d.${one}`).join(', ')} from ${from} returning 1`,
            [JSON.stringify(records)],
          )
        : await ask(
            `update ${target} as t set ${columns.map((one) => `${one} = d.${one}`).join(', ')} from ${from} where t.${this.id} = d.${this.id} returning 1`,
            [JSON.stringify(records)],
          );
    expectAll(order, rows.length, results.length);
  }

  async flush(ask: Ask, order: TreatOrder, items: readonly string[]): Promise<void> {
    const { flush } = this.options;
    if (items.length === 0) return;
    if (flush === null) throw new PipelineRefused(`${order.pipeline}: it is not configured how an item is flushed`);
    if (flush.kind === 'delete') {
      const rows = await ask(`delete from ${this.table} where ${this.amongItems()} returning 1`, [items]);
      return expectAll(order, rows.length, items.length);
    }
    const names = Object.keys(flush.columns);
    const sets = names.map((name) => `${quoted(name)} = d.${quoted(name)}`).join(', ');
    const rows = await ask(
      `update ${this.table} as t set ${sets} from jsonb_populate_record(null::${this.table}, $2::jsonb) as d
        where t.${this.amongItems()} returning 1`,
      [items, JSON.stringify(flush.columns)],
    );
    expectAll(order, rows.length, items.length);
  }

  private selectRow(): string {
    const { request } = this.options.source;
    const body = request === null ? 'null::text' : `${quoted(request)}::text`;
    return `select ${this.id}::text as item, ${this.version}::text as version, octet_length(${body}) as bytes,
      case when octet_length(${body}) > $2::int then null else ${body} end as body from ${this.table}`;
  }

  private amongItems(): string {
    return `${this.id} = any(($1::text[])::${this.types?.id ?? 'text'}[])`;
  }
}

function sourceRow(row: Record<string, unknown>): SourceRow {
  const { bytes, body } = row;
  const told = { item: textOf(row, 'item'), version: String(row['version']) };
  if (typeof body !== 'string') {
    const why =
      typeof bytes === 'number' ? `its request has ${bytes} bytes, more than ${BODY_BYTES}` : 'it has no request';
    return { ...told, body: null, why };
  }
  try {
    return { ...told, body: JSON.parse(body) as Json, why: null };
  } catch {
    return { ...told, body: null, why: 'its request is no JSON' };
  }
}

function valueOf(value: ColumnValue, { incident, pipeline }: TreatOrder, { item, version, outputs }: Result): Json {
  if (typeof value === 'object') return outputs[value.output] ?? null;
  switch (value) {
    case 'outputs':
      return outputs;
    case 'version':
      return version;
    case 'key':
      return itemKey(incident, pipeline, item);
    case 'item':
      return item;
    case 'incident':
      return incident;
    case 'now':
      return new Date().toISOString();
  }
}

function expectAll({ pipeline }: TreatOrder, found: number, expected: number): void {
  if (found !== expected) throw new PipelineRefused(`${pipeline}: ${found} of ${expected} rows took their result`);
}
