import type { HandledUnit, ModelCalls, Pipeline, TreatedItem, TreatOrder } from '../../activities/ports';
import { itemKey } from '../../domain/items/treated';
import { ITEM_TWICE } from './errors';
import { Pace } from './pace';
import { askAll, type RedoAnswer } from './redo';
import { PipelineRedis, type RedisAddress } from './redis-client';
import { RedisListing } from './redis-listing';
import { batchName, markOf, RedisMarks, told, type Effect, type Mark } from './redis-marks';
import { RedisStream, type Entry, type Membership, type StreamFields } from './redis-stream';

export interface RedisPipelineOptions extends RedisAddress {
  /** Stream with an entry for each handled item; the time of its id is when it was handled. */
  readonly stream: string;
  /** Stream that results are added to, with the fields `item`, `key`, `version`, `outputs`. */
  readonly results: string;
  readonly fields: StreamFields;
  readonly unit: 'item' | 'batch';
  /** The entries of one batch are at most so far from each other in time. */
  readonly batchWithinMs: number;
  /** Consumer group that reads the stream and acts on it: what it has not read yet is replaced or taken out. */
  readonly group: string | null;
  readonly concurrency: number;
  readonly models: ModelCalls;
}

const CHUNK = 50;
const BATCH_ITEMS = 1_000;
const GONE = 'the stream does not have it any more';

/** A stream of Redis (6.2 or newer, one node) whose entries are the items. */
export function redisPipeline(options: RedisPipelineOptions): Pipeline & { close(): Promise<void> } {
  const { fields, models, unit } = options;
  const redis = new PipelineRedis(options);
  const stream = new RedisStream(redis, options.stream, fields);
  const listing = new RedisListing(stream, fields, options.batchWithinMs);
  const marks = new RedisMarks(redis, options);
  const pace = new Pace(options.concurrency);

  async function entryOf(ref: string): Promise<Entry | undefined> {
    return (await stream.range(ref, ref, 1))[0];
  }

  async function treatChunk(order: TreatOrder, units: readonly HandledUnit[], signal: AbortSignal) {
    const ids = units.map(({ id }) => id);
    const known = await marks.known(order, ids);
    const treated: TreatedItem[] = [];
    const open: { item: string; entry: Entry }[] = [];
    for (const [at, { id, ref = '' }] of units.entries()) {
      const mark = known[at] ?? null;
      if (mark !== null) {
        treated.push(told(id, id, mark.ref === ref ? mark : await marks.flagTwice(order, id, ref)));
        continue;
      }
      const entry = await entryOf(ref);
      if (entry) open.push({ item: id, entry });
      else treated.push(told(id, id, await marks.settle(order, id, markOf('gone', ref, GONE))));
    }
    const answers = await ask(order, open, signal);
    for (const { item, entry } of open) {
      const { mark, effect } = ending(order, item, entry.ref, answers.get(item));
      treated.push(told(item, item, await marks.settle(order, item, mark, [effect])));
    }
    return treated;
  }

  /** All of its entries or none, in one script, whichever version handled them. */
  async function treatBatch(
    order: TreatOrder,
    { id, ref = '' }: HandledUnit,
    members: readonly Membership[],
    signal: AbortSignal,
  ): Promise<TreatedItem[]> {
    const name = batchName(id);
    const tell = async (mark: Mark): Promise<TreatedItem[]> => {
      if (mark.ref !== ref) return [told(id, `batch:${id}`, await marks.flagTwice(order, name, ref))];
      const { items } = mark;
      if (items === undefined) return [told(id, `batch:${id}`, mark)];
      return items.map(({ item, ...one }) => told(id, item, one));
    };
    const settle = async (mark: Mark, effects: readonly Effect[] = []): Promise<TreatedItem[]> =>
      await tell(await marks.settle(order, name, mark, effects));
    const [known] = await marks.known(order, [name]);
    if (known) return await tell(known);
    const flag = (why: string): Promise<TreatedItem[]> => settle(markOf('flagged', ref, why.slice(0, 300)));
    if (members.length === 0) return await settle(markOf('gone', ref, GONE));
    if (members.length > BATCH_ITEMS)
      return await flag(`it has more than ${BATCH_ITEMS} items, which are not treated as a whole`);
    const ids = members.map((one) => stream.idOf(one));
    if (new Set(ids).size < ids.length) return await flag(ITEM_TWICE);
    if (order.action === 'flag') return await flag(order.why);
    const open: { item: string; entry: Entry }[] = [];
    for (const [at, member] of members.entries()) {
      const entry = await entryOf(member.ref);
      if (!entry) return await flag(`its item ${ids[at] ?? ''}: ${GONE}`);
      open.push({ item: ids[at] ?? '', entry });
    }
    const answers = await ask(order, open, signal);
    const endings = open.map(({ item, entry }) => ({ item, ...ending(order, item, entry.ref, answers.get(item)) }));
    const bad = endings.find(({ mark }) => mark.outcome === 'flagged');
    if (bad) return await flag(`its item ${bad.item}: ${bad.mark.why ?? ''}`);
    const whole: Mark = {
      ...markOf(order.action === 'flush' ? 'flushed' : 'redone', ref, null),
      items: endings.map(({ item, mark: { outcome, why, version } }) => ({ item, outcome, why, version })),
    };
    return await settle(
      whole,
      endings.map(({ item, mark, effect }) => ({ ...effect, item, mark: JSON.stringify(mark) })),
    );
  }

  async function ask(
    order: TreatOrder,
    open: readonly { readonly item: string; readonly entry: Entry }[],
    signal: AbortSignal,
  ): Promise<Map<string, RedoAnswer>> {
    if (order.action !== 'reprocess') return new Map();
    const asks = open.flatMap(({ item, entry }) => askable(item, entry));
    return await askAll(models, pace, order, asks, signal);
  }

  function askable(item: string, { fields: given }: Entry): { item: string; body: never }[] {
    try {
      return [{ item, body: JSON.parse(given.get(fields.request) ?? '') as never }];
    } catch {
      return [];
    }
  }

  return {
    guarantee: {
      kind: 'exactly-once',
      why: 'result and mark are written by one script, as durable as this Redis keeps what it acknowledged',
    },
    count: () => Promise.resolve(null),
    list: (window, cursor, limit) =>
      unit === 'batch' ? listing.batches(window, cursor, limit) : listing.items(window, cursor, limit),
    ...(fields.batch !== null && {
      partlyHandled: (window, cursor, limit) => listing.partlyHandled(window, cursor, limit),
    }),
    async treat(order, units, signal) {
      const batches = units.filter(({ alone }) => order.unit === 'batch' && !alone);
      const items = units.filter((one) => !batches.includes(one));
      const treated: TreatedItem[] = [];
      const byId = new Map<string, HandledUnit[]>();
      for (const one of items) byId.set(one.id, [...(byId.get(one.id) ?? []), one]);
      const once = items.filter(({ id }) => byId.get(id)?.length === 1);
      for (const { id, ref = '' } of items.filter((one) => !once.includes(one)))
        treated.push(told(id, id, await marks.flagTwice(order, id, ref)));
      for (let at = 0; at < once.length; at += CHUNK) {
        signal.throwIfAborted();
        treated.push(...(await treatChunk(order, once.slice(at, at + CHUNK), signal)));
      }
      const wanted = new Map(batches.map(({ id, ref = '' }) => [id, ref]));
      const members = await listing.membersOf(wanted, BATCH_ITEMS + 1);
      for (const batch of batches) {
        signal.throwIfAborted();
        treated.push(...(await treatBatch(order, batch, members.get(batch.id) ?? [], signal)));
      }
      return treated.sort((left, right) => (left.unit < right.unit ? -1 : left.unit > right.unit ? 1 : 0));
    },
    close: () => redis.close(),
  };
}

function ending(
  order: TreatOrder,
  item: string,
  ref: string,
  answer: RedoAnswer | undefined,
): { readonly mark: Mark; readonly effect: Effect } {
  const none: Effect = { ref, effect: 'none', result: [] };
  if (order.action === 'flag') return { mark: markOf('flagged', ref, order.why), effect: none };
  if (order.action === 'flush') return { mark: markOf('flushed', ref, null), effect: { ...none, effect: 'delete' } };
  if (answer?.kind !== 'answered')
    return { mark: markOf('flagged', ref, answer?.why ?? 'its request is no JSON'), effect: none };
  const { version, outputs } = answer;
  const key = itemKey(order.incident, order.pipeline, item);
  const result = Object.entries({ item, key, version, outputs: JSON.stringify(outputs) }).flat();
  return { mark: { ...markOf('redone', ref, null), version }, effect: { ref, effect: 'add', result } };
}
