import type { HandledUnit, ModelCalls, Pipeline, TreatedItem, TreatOrder } from '../../activities/ports';
import { itemKey, itemOutcomes, type ItemOutcome } from '../../domain/items/treated';
import { z } from 'zod';
import { ITEM_TWICE, PipelineRefused } from './errors';
import { Pace } from './pace';
import { askAll } from './redo';
import { PipelineRedis, type RedisAddress, type Reply } from './redis-client';

export interface RedisPipelineOptions extends RedisAddress {
  /** Stream with an entry for each handled item; the time of its id is when it was handled. */
  readonly stream: string;
  /** Stream that results are added to, with the fields `item`, `key`, `version`, `outputs`. */
  readonly results: string;
  readonly fields: { readonly id: string; readonly version: string; readonly request: string };
  readonly concurrency: number;
  readonly models: ModelCalls;
}

const CHUNK = 50;

/**
 * A mark is set where there is none, and only then its effect happens: one script, so that nothing comes between. KEYS: marks,
 * results, stream. ARGV: item, mark, `add`, `delete` or `none`, entry, then fields of the result.
 */
const TREAT = `
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return redis.call('HGET', KEYS[1], ARGV[1]) end
if ARGV[3] == 'add' then redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5)) end
if ARGV[3] == 'delete' then redis.call('XDEL', KEYS[3], ARGV[4]) end
return ARGV[2]`;

const markSchema = z.strictObject({
  outcome: z.enum(itemOutcomes),
  why: z.string().nullable(),
  version: z.string().nullable(),
  ref: z.string(),
});
type Mark = z.infer<typeof markSchema>;

interface Entry {
  readonly ref: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** A stream of Redis (6.2 or newer, one node) whose entries are the items. */
export function redisPipeline(options: RedisPipelineOptions): Pipeline & { close(): Promise<void> } {
  const { stream, results, fields, models } = options;
  const redis = new PipelineRedis(options);
  const pace = new Pace(options.concurrency);
  const marksOf = ({ service, incident, pipeline }: TreatOrder): string =>
    `lastgood:redone:${[service, incident, pipeline].map(encodeURIComponent).join(':')}`;

  async function range(from: string, to: string, count: number): Promise<Entry[]> {
    return entriesOf(await redis.ask(['XRANGE', stream, from, to, 'COUNT', String(count)]));
  }

  async function knownMarks(order: TreatOrder, items: readonly string[]): Promise<(Mark | null)[]> {
    if (items.length === 0) return [];
    const reply = await redis.ask(['HMGET', marksOf(order), ...items]);
    return (reply as readonly Reply[]).map((text) => (typeof text === 'string' ? readMark(text) : null));
  }

  /** Resolves to how the item ended: now, or when somebody was faster. */
  async function settle(
    order: TreatOrder,
    item: string,
    mark: Mark,
    effect: 'add' | 'delete' | 'none',
    result: Readonly<Record<string, string>> = {},
  ): Promise<Mark> {
    const keys = [marksOf(order), results, stream];
    const args = [item, JSON.stringify(mark), effect, mark.ref, ...Object.entries(result).flat()];
    return readMark(String(await redis.ask(['EVAL', TREAT, '3', ...keys, ...args])));
  }

  async function treatChunk(
    order: TreatOrder,
    units: readonly HandledUnit[],
    signal: AbortSignal,
  ): Promise<TreatedItem[]> {
    const marks = await knownMarks(
      order,
      units.map(({ id }) => id),
    );
    const treated: TreatedItem[] = [];
    const open: { item: string; entry: Entry }[] = [];
    for (const [at, { id, ref = '' }] of units.entries()) {
      const mark = marks[at] ?? null;
      if (mark !== null) {
        treated.push(mark.ref === ref ? told(id, mark) : told(id, await flagTwice(order, id, ref)));
        continue;
      }
      const [entry] = await range(ref, ref, 1);
      if (entry) open.push({ item: id, entry });
      else
        treated.push(
          told(id, await settle(order, id, markOf('gone', ref, 'the stream does not have it any more'), 'none')),
        );
    }
    const asks = order.action === 'reprocess' ? open.flatMap(({ item, entry }) => askable(item, entry)) : [];
    const answers = await askAll(models, pace, order, asks, signal);
    for (const { item, entry } of open) {
      const { ref } = entry;
      const answer = answers.get(item);
      if (order.action === 'flag')
        treated.push(told(item, await settle(order, item, markOf('flagged', ref, order.why), 'none')));
      else if (order.action === 'flush')
        treated.push(told(item, await settle(order, item, markOf('flushed', ref, null), 'delete')));
      else if (answer?.kind === 'answered') {
        const { incident, pipeline } = order;
        const { version, outputs } = answer;
        const result = { item, key: itemKey(incident, pipeline, item), version, outputs: JSON.stringify(outputs) };
        treated.push(told(item, await settle(order, item, { ...markOf('redone', ref, null), version }, 'add', result)));
      } else {
        const why = answer?.why ?? 'its request is no JSON';
        treated.push(told(item, await settle(order, item, markOf('flagged', ref, why), 'none')));
      }
    }
    return treated;
  }

  /** The other item of that id may have been treated on an earlier page, before this one was seen. */
  async function flagTwice(order: TreatOrder, id: string, ref: string): Promise<Mark> {
    return await settle(order, `${id}\u0000${ref}`, markOf('flagged', ref, ITEM_TWICE), 'none');
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
    async list({ version, fromMs, toMs }, cursor, limit) {
      const found = await range(cursor === null ? String(fromMs) : `(${cursor}`, String(toMs - 1), limit);
      const last = found.at(-1);
      const units = found.flatMap((entry): HandledUnit[] => {
        if (entry.fields.get(fields.version) !== version) return [];
        const id = entry.fields.get(fields.id);
        if (id === undefined || id === '')
          throw new PipelineRefused(`${stream} ${entry.ref}: found no field ${fields.id}`);
        return [{ id, items: 1, degraded: 1, ref: entry.ref }];
      });
      return { units, next: last !== undefined && found.length === limit ? last.ref : null };
    },
    async treat(order, units, signal) {
      const byId = new Map<string, HandledUnit[]>();
      for (const unit of units) byId.set(unit.id, [...(byId.get(unit.id) ?? []), unit]);
      const once = units.filter(({ id }) => byId.get(id)?.length === 1);
      const twice = units.filter(({ id }) => (byId.get(id)?.length ?? 0) > 1);
      const treated: TreatedItem[] = [];
      for (const { id, ref = '' } of twice) treated.push(told(id, await flagTwice(order, id, ref)));
      for (let at = 0; at < once.length; at += CHUNK) {
        signal.throwIfAborted();
        treated.push(...(await treatChunk(order, once.slice(at, at + CHUNK), signal)));
      }
      return treated.sort((left, right) => (left.unit < right.unit ? -1 : left.unit > right.unit ? 1 : 0));
    },
    close: () => redis.close(),
  };
}

function markOf(outcome: ItemOutcome, ref: string, why: string | null): Mark {
  return { outcome, why, version: null, ref };
}

function told(item: string, { outcome, why, version }: Mark): TreatedItem {
  return { unit: item, item, outcome, why, version };
}

function readMark(text: string): Mark {
  const parsed = markSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new PipelineRefused(`found the mark ${text.slice(0, 80)}, which is not ours`);
}

/** `[[id, [field, value, …]], …]` */
function entriesOf(reply: Reply): Entry[] {
  if (!Array.isArray(reply)) throw new PipelineRefused('the answer to XRANGE is no list');
  return (reply as readonly (readonly [string, readonly string[]])[]).map(([ref, flat]) => {
    const fields = new Map<string, string>();
    for (let at = 0; at + 1 < flat.length; at += 2) fields.set(String(flat[at]), String(flat[at + 1]));
    return { ref, fields };
  });
}
