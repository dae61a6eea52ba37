import { z } from 'zod';
import type { TreatedItem, TreatOrder } from '../../activities/ports';
import { itemOutcomes, type ItemOutcome } from '../../domain/items/treated';
import { ITEM_TWICE, PipelineRefused } from './errors';
import type { PipelineRedis, Reply } from './redis-client';

const ended = { outcome: z.enum(itemOutcomes), why: z.string().nullable(), version: z.string().nullable() };
const markSchema = z.strictObject({
  ...ended,
  ref: z.string(),
  /** Of a batch: how each of its items ended. */
  items: z.array(z.strictObject({ item: z.string(), ...ended })).exactOptional(),
});
/** How a unit ended, kept in Redis under its name, and the entry that it was. */
export type Mark = z.infer<typeof markSchema>;

/** What happens to one entry when its unit is marked. */
export interface Effect {
  readonly ref: string;
  readonly effect: 'add' | 'delete' | 'none';
  /** Fields of the result that is added, names and values in turns. */
  readonly result: readonly string[];
  /** Of a batch: the item and its own mark. */
  readonly item?: string;
  readonly mark?: string;
}

/**
 * A mark is set where there is none, and only then its effects happen, all of them: one script, so that nothing comes between.
 * What a consumer group has not read yet is replaced by its result; what it has read is not taken out any more.
 * KEYS: marks, results, stream. ARGV: field of the mark, order as JSON.
 */
const TREAT = `
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then return known end
local order = cjson.decode(ARGV[2])
local ms, seq
local function parts(id)
  local left, right = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(left), tonumber(right)
end
if order.group ~= '' then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[3])) do
    local row = {}
    for at = 1, #info, 2 do row[info[at]] = info[at + 1] end
    if row['name'] == order.group then ms, seq = parts(row['last-delivered-id']) end
  end
  if not ms then return redis.error_reply('NOGROUP the stream ' .. KEYS[3] .. ' has no consumer group ' .. order.group) end
end
local function was_read(ref)
  if not ms then return false end
  local entry_ms, entry_seq = parts(ref)
  return entry_ms < ms or (entry_ms == ms and entry_seq <= seq)
end
local mark = order.mark
local refused = false
for _, one in ipairs(order.effects) do
  if one.item and redis.call('HEXISTS', KEYS[1], one.item) == 1 then
    mark = order.twice
    refused = true
  elseif one.effect == 'delete' and was_read(one.ref) then
    local pending = redis.call('XPENDING', KEYS[3], order.group, one.ref, one.ref, 1)
    mark = #pending > 0 and order.pending or order.acknowledged
    refused = true
  end
end
if not refused then
  for _, one in ipairs(order.effects) do
    if one.effect == 'add' then redis.call('XADD', KEYS[2], '*', unpack(one.result)) end
    local replaced = one.effect == 'add' and ms and not was_read(one.ref)
    if one.effect == 'delete' or replaced then redis.call('XDEL', KEYS[3], one.ref) end
    if one.item then redis.call('HSET', KEYS[1], one.item, one.mark) end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], mark)
return mark`;

export class RedisMarks {
  constructor(
    private readonly redis: PipelineRedis,
    private readonly place: { readonly stream: string; readonly results: string; readonly group: string | null },
  ) {}

  async known(order: TreatOrder, names: readonly string[]): Promise<(Mark | null)[]> {
    if (names.length === 0) return [];
    const reply = await this.redis.ask(['HMGET', keyOf(order), ...names]);
    return (reply as readonly Reply[]).map((text) => (typeof text === 'string' ? readMark(text) : null));
  }

  /** Resolves to how the unit ended: now, or when somebody was faster. */
  async settle(order: TreatOrder, name: string, mark: Mark, effects: readonly Effect[] = []): Promise<Mark> {
    const { stream, results, group } = this.place;
    const flagged = (why: string): string => JSON.stringify(markOf('flagged', mark.ref, why));
    const asked = {
      mark: JSON.stringify(mark),
      group: group ?? '',
      effects,
      twice: flagged(ITEM_TWICE),
      pending: flagged(`a consumer of the group ${group ?? ''} has it in hand: it is not taken out any more`),
      acknowledged: flagged(`the group ${group ?? ''} has read it: taking it out would not undo what came of it`),
    };
    const keys = [keyOf(order), results, stream];
    return readMark(String(await this.redis.ask(['EVAL', TREAT, '3', ...keys, name, JSON.stringify(asked)])));
  }

  /** The other item of that id may have been treated on an earlier page, before this one was seen. */
  async flagTwice(order: TreatOrder, id: string, ref: string): Promise<Mark> {
    return await this.settle(order, `${id}\u0000${ref}`, markOf('flagged', ref, ITEM_TWICE));
  }
}

export const batchName = (batch: string): string => `\u0000batch\u0000${batch}`;

export function markOf(outcome: ItemOutcome, ref: string, why: string | null): Mark {
  return { outcome, why, version: null, ref };
}

export function told(unit: string, item: string, { outcome, why, version }: Omit<Mark, 'ref'>): TreatedItem {
  return { unit, item, outcome, why, version };
}

function keyOf({ service, incident, pipeline }: TreatOrder): string {
  return `lastgood:redone:${[service, incident, pipeline].map(encodeURIComponent).join(':')}`;
}

function readMark(text: string): Mark {
  const parsed = markSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new PipelineRefused(`found the mark ${text.slice(0, 80)}, which is not ours`);
}
