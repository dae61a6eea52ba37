import type { HandledUnit, ModelCalls, Pipeline, TreatedItem, TreatOrder } from '../../activities/ports';
import { setTimeout as pause } from 'node:timers/promises';
import { ITEM_TWICE, PipelineRefused, PipelineUnreachable } from './errors';
import { Pace } from './pace';
import { PipelineDatabase, type Ask } from './postgres-database';
import { PostgresListing } from './postgres-listing';
import { PostgresMarks } from './postgres-marks';
import type { PostgresPipelineOptions } from './postgres-options';
import { PostgresRows, type SourceRow } from './postgres-rows';
import { askAll, type RedoAnswer } from './redo';

const CHUNK = 50;
const BATCH_ITEMS = 1_000;
const LANES = 2;
const LOCKED_PAUSES_MS = [50, 200, 1_000];

/** What is to be written for one item. */
interface Intent {
  readonly treated: TreatedItem;
  readonly answer: Extract<RedoAnswer, { kind: 'answered' }> | null;
  /** The version that the row must still have; null: whatever it has. */
  readonly version: string | null;
}

/**
 * A table of PostgreSQL whose rows are the items. The model is asked outside of any transaction, so that no row is locked
 * while it thinks; result and mark are written in one transaction, under the locks of the rows. A worker that is killed
 * anywhere leaves either both or none, and asks the model again.
 */
export function postgresPipeline(
  options: PostgresPipelineOptions & { readonly models: ModelCalls; readonly unit: 'item' | 'batch' },
): Pipeline & { close(): Promise<void> } {
  const { models, unit, source } = options;
  const database = new PipelineDatabase(options);
  const ask: Ask = (text, values) => database.ask(text, values);
  const listing = new PostgresListing(ask, source);
  const marks = new PostgresMarks(options.marks);
  const rows = new PostgresRows(options);
  const pace = new Pace(options.concurrency);

  /** One transaction. Resolves to the items that others had locked: nothing was done for them. */
  async function write(order: TreatOrder, intents: readonly Intent[]): Promise<Set<string>> {
    return await database.transaction(async (inside) => {
      const wanted = intents.map(({ treated }) => treated.item);
      const locked = await rows.lock(inside, wanted);
      const busy = new Set(wanted.filter((item) => !locked.has(item)));
      // A batch goes as a whole or not at all: it is read again.
      const changed = intents.some(({ treated, version }) => locked.get(treated.item) !== version);
      if (order.unit === 'batch' && changed) return new Set(wanted);
      const mine = intents.filter(({ treated }) => !busy.has(treated.item)).map((one) => ifUnchanged(one, locked));
      const added = await marks.add(
        inside,
        order,
        mine.map(({ treated }) => treated),
      );
      const effective = mine.filter(({ treated }) => added.has(treated.item));
      const flushed = effective.filter(({ treated }) => treated.outcome === 'flushed');
      await rows.flush(
        inside,
        order,
        flushed.map(({ treated }) => treated.item),
      );
      const results = effective.flatMap(({ treated: { item, outcome }, answer }) =>
        outcome === 'redone' && answer ? [{ item, version: answer.version, outputs: answer.outputs }] : [],
      );
      await rows.write(inside, order, results);
      return busy;
    });
  }

  /** Writes all, waiting a little for rows that others hold. One row that refuses its result does not hold up the others. */
  async function settle(order: TreatOrder, intents: readonly Intent[], signal: AbortSignal): Promise<void> {
    let left = intents;
    for (const pauseMs of [...LOCKED_PAUSES_MS, null]) {
      let busy: Set<string>;
      try {
        busy = await write(order, left);
      } catch (error) {
        if (!isValueRefused(error)) throw error;
        if (left.length > 1 && order.unit === 'item') {
          for (const one of left) await settle(order, [one], signal);
        } else {
          await marks.add(
            ask,
            order,
            left.map(({ treated }) => flagged(treated.unit, treated.item, error.message)),
          );
        }
        return;
      }
      if (busy.size === 0) return;
      left = left.filter(({ treated }) => busy.has(treated.item));
      if (pauseMs !== null) await pause(pauseMs, undefined, { signal });
    }
    throw new PipelineUnreachable(`${left.length} rows of ${source.table} stay locked by something else`);
  }

  async function treatItems(order: TreatOrder, units: readonly string[], signal: AbortSignal): Promise<void> {
    const found = await rows.read(ask, units);
    const gone = units.filter((unit) => !found.some(({ item }) => item === unit));
    const twice = new Set(
      found.filter(({ item }, at) => found.findIndex((one) => one.item === item) !== at).map(({ item }) => item),
    );
    const apart: TreatedItem[] = [
      ...gone.map((item) => ({
        ...flagged(item, item, 'the pipeline does not have it any more'),
        outcome: 'gone' as const,
      })),
      ...[...twice].map((item) => flagged(item, item, ITEM_TWICE)),
    ];
    if (apart.length > 0) await marks.add(ask, order, apart);
    const single = found.filter(({ item }) => !twice.has(item));
    await settle(order, await intentsOf(order, single, (item) => item, order.version, signal), signal);
  }

  async function treatBatch(order: TreatOrder, batch: string, signal: AbortSignal): Promise<void> {
    const flagWhole = async (why: string): Promise<void> =>
      void (await marks.add(ask, order, [flagged(batch, `batch:${batch}`, why)]));
    const found = await rows.readBatch(ask, batch, BATCH_ITEMS + 1);
    if (found.length > BATCH_ITEMS)
      return await flagWhole(`it has more than ${BATCH_ITEMS} items, which are not treated as a whole`);
    if (found.length === 0)
      return void (await marks.add(ask, order, [
        { ...flagged(batch, `batch:${batch}`, 'the pipeline does not have it any more'), outcome: 'gone' },
      ]));
    if (new Set(found.map(({ item }) => item)).size < found.length) return await flagWhole(ITEM_TWICE);
    if (order.action === 'flag') return await flagWhole(order.why);
    const intents = await intentsOf(order, found, () => batch, null, signal);
    const bad = intents.find(({ treated }) => treated.outcome === 'flagged');
    if (bad) return await flagWhole(`its item ${bad.treated.item}: ${bad.treated.why ?? ''}`);
    await settle(order, intents, signal);
  }

  async function intentsOf(
    order: TreatOrder,
    found: readonly SourceRow[],
    unitOf: (item: string) => string,
    mustBe: string | null,
    signal: AbortSignal,
  ): Promise<Intent[]> {
    if (order.action !== 'reprocess') {
      const outcome = order.action === 'flush' ? ('flushed' as const) : ('flagged' as const);
      const why = outcome === 'flagged' ? order.why : null;
      return found.map(({ item, version }) => ({
        treated: { unit: unitOf(item), item, outcome, why, version: null },
        answer: null,
        version: mustBe ?? version,
      }));
    }
    if (options.sink === null)
      throw new PipelineRefused(`${order.pipeline}: no sink is configured, so nothing can be redone`);
    const askable = found.flatMap(({ item, version, body }) =>
      body === null || (mustBe !== null && version !== mustBe) ? [] : [{ item, body }],
    );
    const answers = await askAll(models, pace, order, askable, signal);
    return found.map(({ item, version, why }) => {
      const unit = unitOf(item);
      const expected = mustBe ?? version;
      const answer = answers.get(item);
      if (answer?.kind === 'answered') {
        const treated = { unit, item, outcome: 'redone' as const, why: null, version: answer.version };
        return { treated, answer, version: expected };
      }
      const reason = answer?.why ?? why ?? `${version} has handled it meanwhile`;
      return { treated: flagged(unit, item, reason), answer: null, version: expected };
    });
  }

  return {
    guarantee: { kind: 'exactly-once', why: 'result and mark are written in one transaction of the same database' },
    count: (window) => listing.count(window, unit),
    list: (window, cursor, limit) => listing.units(window, unit, cursor, limit),
    ...(source.batch !== null && {
      partlyHandled: (window, cursor, limit) => listing.partlyHandled(window, cursor, limit),
    }),
    async treat(order, units, signal) {
      await marks.ensure(ask);
      await rows.ensure(ask);
      const done = new Set(
        (
          await marks.of(
            ask,
            order,
            units.map(({ id }) => id),
          )
        ).map((one) => one.unit),
      );
      const left = units.filter(({ id }) => !done.has(id));
      const batches = left.filter(({ alone }) => order.unit === 'batch' && !alone);
      const items = left.filter((one) => !batches.includes(one)).map(({ id }) => id);
      const chunks = Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, at) =>
        items.slice(at * CHUNK, (at + 1) * CHUNK),
      );
      // One chunk is written while the model works on the next; each takes the next one that is left.
      const lane = async (): Promise<void> => {
        for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
          signal.throwIfAborted();
          await treatItems({ ...order, unit: 'item' }, chunk, signal);
        }
      };
      const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
      for (const one of lanes) if (one.status === 'rejected') throw one.reason;
      for (const { id } of batches) {
        signal.throwIfAborted();
        await treatBatch(order, id, signal);
      }
      return allOf(
        units,
        await marks.of(
          ask,
          order,
          units.map(({ id }) => id),
        ),
      );
    },
    close: () => database.close(),
  };
}

/** Every unit that was asked for is answered for, or the caller must ask again. */
function allOf(units: readonly HandledUnit[], treated: TreatedItem[]): TreatedItem[] {
  const answered = new Set(treated.map(({ unit }) => unit));
  const missing = units.find(({ id }) => !answered.has(id));
  if (missing) throw new PipelineUnreachable(`${missing.id} was treated and has no mark`);
  return treated;
}

/** Somebody handled it again since it was listed: that result stays. */
function ifUnchanged(intent: Intent, locked: ReadonlyMap<string, string>): Intent {
  const { treated, version } = intent;
  const now = locked.get(treated.item);
  if (version === null || now === version) return intent;
  const why = `${now ?? 'something'} has handled it meanwhile`;
  return { ...intent, answer: null, treated: { ...treated, outcome: 'superseded', why, version: null } };
}

function flagged(unit: string, item: string, why: string): TreatedItem {
  return { unit, item, outcome: 'flagged', why: why.slice(0, 300), version: null };
}

/** The value of a result does not fit its column, or breaks a rule of the table: the item's matter, not the pipeline's. */
function isValueRefused(error: unknown): error is PipelineRefused {
  return error instanceof PipelineRefused && /\((22|23)...\)$/.test(error.message);
}
