import { PipelineDatabase, quoted, type Ask } from './postgres-database';
import type { PostgresPipelineOptions } from './postgres-options';

/** What a peer says of itself, and what must be changed there before it can be used. */
export interface Looked {
  readonly server: string;
  readonly problems: readonly string[];
}

/** Below it `jsonb_populate_recordset` with a type of a table is not tried here. */
const OLDEST = 12;

interface Need {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rights: readonly string[];
}

/** Asks a pipeline's database once for its version, its tables and columns, and what the role may; writes nothing. */
export async function lookAtPostgres(options: PostgresPipelineOptions): Promise<Looked> {
  const database = new PipelineDatabase(options);
  try {
    const ask: Ask = (text, values) => database.ask(text, values);
    const [row] = await ask(`select current_setting('server_version') as server`);
    const server = String(row?.['server']);
    const old = Number.parseInt(server, 10) < OLDEST ? [`found version ${server}, expected ${OLDEST} or newer`] : [];
    const missing = await Promise.all(needsOf(options).map((need) => problemsOf(ask, need)));
    return { server, problems: [...old, ...missing.flat(), ...(await problemsOfMarks(ask, options.marks))] };
  } finally {
    await database.close();
  }
}

function needsOf({ source, sink, flush }: PostgresPipelineOptions): Need[] {
  const { table, id, version, handledAt, request, batch } = source;
  const read = [id, version, handledAt, ...[request, batch].filter((one) => one !== null)];
  const written = sink?.kind === 'update' ? Object.keys(sink.columns) : [];
  const voided = flush?.kind === 'set' ? Object.keys(flush.columns) : [];
  const deletes = flush?.kind === 'delete' ? ['delete'] : [];
  // Rows are locked before anything is done with them, which takes `update` as well.
  const own = { table, columns: [...read, ...written, ...voided], rights: ['select', 'update', ...deletes] };
  if (sink?.kind !== 'insert') return [own];
  return [own, { table: sink.table, columns: Object.keys(sink.columns), rights: ['insert'] }];
}

async function problemsOf(ask: Ask, { table, columns, rights }: Need): Promise<string[]> {
  const name = quoted(table);
  const [there] = await ask('select to_regclass($1)::text as found', [name]);
  if ((there?.['found'] ?? null) === null) return [`found no table ${table}, or the role may not see its schema`];
  const rows = await ask(
    'select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped',
    [name],
  );
  const known = new Set(rows.map((row) => row['name']));
  const absent = [...new Set(columns)].filter((column) => !known.has(column));
  const held = await ask(
    'select given, has_table_privilege($1::regclass, given) as held from unnest($2::text[]) as given',
    [name, rights],
  );
  const refused = held.filter((row) => row['held'] !== true).map((row) => String(row['given']));
  return [
    ...absent.map((column) => `${table}: found no column ${column}`),
    ...(refused.length > 0 ? [`${table}: the role may not ${refused.join(', ')}; grant ${refused.join(', ')}`] : []),
  ];
}

async function problemsOfMarks(ask: Ask, marks: string): Promise<string[]> {
  const name = quoted(marks);
  const [there] = await ask('select to_regclass($1)::text as found', [name]);
  if ((there?.['found'] ?? null) !== null)
    return await problemsOf(ask, { table: marks, columns: [], rights: ['select', 'insert'] });
  const schema = marks.includes('.') ? (marks.split('.')[0] ?? '') : null;
  const [row] = await ask(
    `select coalesce($1::text, current_schema()) as schema,
      coalesce(has_schema_privilege(to_regnamespace(quote_ident(coalesce($1::text, current_schema())))::oid, 'create'), false) as may`,
    [schema],
  );
  return row?.['may'] === true
    ? []
    : [`found no table ${marks} for the marks, and the role may not make it in schema ${String(row?.['schema'])}`];
}
