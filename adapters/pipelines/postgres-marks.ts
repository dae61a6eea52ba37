import type { TreatedItem, TreatOrder } from '../../activities/ports';
import { itemKey, itemOutcomes, type ItemOutcome } from '../../domain/items/treated';
import { PipelineRefused } from './errors';
import { quoted, type Ask } from './postgres-database';

/**
 * The table in the pipeline's own database that says what was done with which item. A mark is written in the transaction of
 * its effect, so that one is never there without the other.
 */
export class PostgresMarks {
  readonly table: string;
  private made = false;

  constructor(name: string) {
    this.table = quoted(name);
    this.index = quoted(`${name.split('.').at(-1) ?? name}_unit`);
  }

  private readonly index: string;

  /** Makes it where the role may; otherwise the error has the statement. Two that do so at once do it once. */
  async ensure(ask: Ask): Promise<void> {
    if (this.made) return;
    const statement = `create table if not exists ${this.table} (
      service text not null, key text not null, incident text not null, pipeline text not null, unit text not null,
      item text not null, outcome text not null, why text, version text, at timestamptz not null default now(),
      primary key (service, key))`;
    const found = await ask(`select to_regclass($1)::text as found`, [this.table]);
    if ((found[0]?.['found'] ?? null) === null) {
      try {
        await ask(statement);
        await ask(`create index if not exists ${this.index} on ${this.table} (service, incident, pipeline, unit)`);
      } catch (error) {
        if (!(error instanceof PipelineRefused)) throw error;
        const there = await ask(`select to_regclass($1)::text as found`, [this.table]);
        if ((there[0]?.['found'] ?? null) === null)
          throw new PipelineRefused(`${error.message}; let somebody who may make it: ${statement}`, { cause: error });
      }
    }
    this.made = true;
  }

  /** What was done before with these units, however it was interrupted. */
  async of(ask: Ask, { service, incident, pipeline }: TreatOrder, units: readonly string[]): Promise<TreatedItem[]> {
    const rows = await ask(
      `select unit, item, outcome, why, version from ${this.table}
        where service = $1 and incident = $2 and pipeline = $3 and unit = any($4::text[]) order by unit, item`,
      [service, incident, pipeline, units],
    );
    return rows.map((row) => ({
      unit: String(row['unit']),
      item: String(row['item']),
      outcome: outcomeOf(row['outcome']),
      why: typeof row['why'] === 'string' ? row['why'] : null,
      version: typeof row['version'] === 'string' ? row['version'] : null,
    }));
  }

  /** Resolves to the items whose mark was not there: only they may have an effect in this transaction. */
  async add(ask: Ask, order: TreatOrder, treated: readonly TreatedItem[]): Promise<Set<string>> {
    const { service, incident, pipeline } = order;
    const rows = treated.map((one) => ({ ...one, key: itemKey(incident, pipeline, one.item) }));
    const added = await ask(
      `insert into ${this.table} (service, key, incident, pipeline, unit, item, outcome, why, version)
       select $1, d.key, $2, $3, d.unit, d.item, d.outcome, d.why, d.version
         from jsonb_to_recordset($4::jsonb)
           as d(key text, unit text, item text, outcome text, why text, version text)
        order by d.key
       on conflict do nothing returning item`,
      [service, incident, pipeline, JSON.stringify(rows)],
    );
    return new Set(added.map((row) => String(row['item'])));
  }
}

function outcomeOf(value: unknown): ItemOutcome {
  const found = itemOutcomes.find((one) => one === value);
  if (found === undefined) throw new PipelineRefused(`found the outcome ${String(value)} in a mark, which is not ours`);
  return found;
}
