import { z } from 'zod';
import type { HandledUnit, ItemsWindow, UnitPage } from '../../activities/ports';
import { PipelineRefused } from './errors';
import { quoted, type Ask, type Row } from './postgres-database';
import type { PostgresSource } from './postgres-options';

const cursorSchema = z.union([
  z.strictObject({ at: z.string(), id: z.string() }),
  z.strictObject({ batch: z.string() }),
  z.strictObject({ alone: z.literal('first') }),
]);
type Cursor = z.infer<typeof cursorSchema>;

/** Looks for what a version handled, page by page in the order of time (items) or of name (batches). */
export class PostgresListing {
  private readonly table: string;
  private readonly id: string;
  private readonly version: string;
  private readonly handledAt: string;
  private readonly batch: string | null;

  constructor(
    private readonly ask: Ask,
    source: PostgresSource,
  ) {
    this.table = quoted(source.table);
    this.id = quoted(source.id);
    this.version = quoted(source.version);
    this.handledAt = quoted(source.handledAt);
    this.batch = source.batch === null ? null : quoted(source.batch);
  }

  async count(window: ItemsWindow, unit: 'item' | 'batch'): Promise<number> {
    const what =
      unit === 'item' || this.batch === null
        ? 'count(*)'
        : `count(distinct ${this.batch}) + count(*) filter (where ${this.batch} is null)`;
    const rows = await this.ask(
      `select ${what} as found from ${this.table} where ${this.inWindow()}`,
      windowValues(window),
    );
    return Number(rows[0]?.['found'] ?? 0);
  }

  /** With batches: first those, then the items that belong to none. */
  async units(window: ItemsWindow, unit: 'item' | 'batch', text: string | null, limit: number): Promise<UnitPage> {
    const cursor = readCursor(text);
    if (unit === 'item' || this.batch === null) return await this.items(window, cursor, limit, false);
    if (cursor !== null && !('batch' in cursor)) return await this.items(window, cursor, limit, true);
    const { units, last } = await this.batches(window, cursor, limit);
    const full = units.length === limit && last !== null;
    return { units, next: JSON.stringify(full ? { batch: last } : { alone: 'first' }) };
  }

  async partlyHandled(window: ItemsWindow, text: string | null, limit: number): Promise<UnitPage> {
    const { units, last } = await this.batches(window, readCursor(text), limit);
    return {
      units: units.filter(({ items, degraded }) => degraded < items),
      next: units.length === limit && last !== null ? JSON.stringify({ batch: last }) : null,
    };
  }

  private async items(window: ItemsWindow, cursor: Cursor | null, limit: number, alone: boolean): Promise<UnitPage> {
    const values: unknown[] = [...windowValues(window), limit];
    let behind = '';
    if (cursor !== null && 'at' in cursor) {
      values.push(cursor.at, cursor.id);
      behind = `and (${this.handledAt}, ${this.id}) > ($5, $6)`;
    }
    const only = alone ? `and ${this.batch ?? 'null'} is null` : '';
    const rows = await this.ask(
      `select ${this.id}::text as id, ${this.handledAt}::text as at from ${this.table}
        where ${this.inWindow()} ${only} ${behind} order by ${this.handledAt}, ${this.id} limit $4`,
      values,
    );
    const last = rows.at(-1);
    const units = rows.map((row): HandledUnit => ({
      id: textOf(row, 'id'),
      items: 1,
      degraded: 1,
      ...(alone && { alone }),
    }));
    if (last === undefined || rows.length < limit) return { units, next: null };
    return { units, next: JSON.stringify({ at: textOf(last, 'at'), id: textOf(last, 'id') }) };
  }

  private async batches(
    window: ItemsWindow,
    cursor: Cursor | null,
    limit: number,
  ): Promise<{ units: HandledUnit[]; last: string | null }> {
    const batch = this.batch ?? 'null';
    const values: unknown[] = [...windowValues(window), limit];
    let behind = '';
    if (cursor !== null && 'batch' in cursor) {
      values.push(cursor.batch);
      behind = `and ${batch} > $5`;
    }
    const rows = await this.ask(
      `select ${batch}::text as id, count(*) as items, count(*) filter (where ${this.inWindow()}) as degraded
         from ${this.table}
        where ${batch} in (select distinct ${batch} from ${this.table}
                            where ${this.inWindow()} and ${batch} is not null ${behind} order by 1 limit $4)
        group by ${batch} order by ${batch}`,
      values,
    );
    const units = rows.map((row) => ({
      id: textOf(row, 'id'),
      items: Number(row['items']),
      degraded: Number(row['degraded']),
    }));
    return { units, last: units.at(-1)?.id ?? null };
  }

  private inWindow(): string {
    return `${this.version}::text = $1 and ${this.handledAt} >= $2::timestamptz and ${this.handledAt} < $3::timestamptz`;
  }
}

function windowValues({ version, fromMs, toMs }: ItemsWindow): unknown[] {
  return [version, new Date(fromMs).toISOString(), new Date(toMs).toISOString()];
}

function readCursor(text: string | null): Cursor | null {
  if (text === null) return null;
  const parsed = cursorSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new PipelineRefused(`found the cursor ${text.slice(0, 80)}, expected one of ours`);
  return parsed.data;
}

export function textOf(row: Row, name: string): string {
  const value = row[name];
  if (typeof value === 'string') return value;
  throw new PipelineRefused(
    `found ${value === null ? 'nothing' : typeof value} in the column for ${name}, expected text`,
  );
}
