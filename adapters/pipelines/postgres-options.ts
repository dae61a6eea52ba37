/** A table, as it is named in SQL: `schema.table` or `table`. */
export interface PostgresSource {
  readonly table: string;
  /** Column with the id of an item; unique, or both items are flagged. */
  readonly id: string;
  /** Column with the version that handled it. */
  readonly version: string;
  /** Column with the time at which it was handled (`timestamptz`). */
  readonly handledAt: string;
  /** Column with the request that is sent to the model (`jsonb`, `json`, or JSON as text); null: nothing can be redone. */
  readonly request: string | null;
  /** Column with the batch of an item; null: there are no batches. */
  readonly batch: string | null;
}

/** What stands in a column of the result: an output of the model by its name, or one of these words. */
export type ColumnValue = { readonly output: string } | 'outputs' | 'version' | 'key' | 'item' | 'incident' | 'now';

export type PostgresSink =
  /** The item's own row. */
  | { readonly kind: 'update'; readonly columns: Readonly<Record<string, ColumnValue>> }
  /** A row of its own in another table of the same database: an outbox. */
  | { readonly kind: 'insert'; readonly table: string; readonly columns: Readonly<Record<string, ColumnValue>> };

export type PostgresFlush =
  { readonly kind: 'delete' } | { readonly kind: 'set'; readonly columns: Readonly<Record<string, string>> };

export interface PostgresPipelineOptions {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password?: () => string;
  readonly tls: { readonly caFile?: string; readonly serverName?: string } | null;
  readonly source: PostgresSource;
  readonly sink: PostgresSink | null;
  readonly flush: PostgresFlush | null;
  /** Table with a row for each item that was treated, in the same database. */
  readonly marks: string;
  /** Requests to the model that are under way at once, at most. */
  readonly concurrency: number;
}
