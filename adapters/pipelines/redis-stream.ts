import { PipelineRefused } from './errors';
import type { PipelineRedis, Reply } from './redis-client';

export interface Entry {
  /** Id in the stream, `<milliseconds>-<number>`: when it was handled. */
  readonly ref: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** What tells which batch an entry belongs to, without its request. */
export interface Membership {
  readonly ref: string;
  readonly item: string | null;
  readonly version: string | null;
  readonly batch: string | null;
}

export interface StreamFields {
  readonly id: string;
  readonly version: string;
  readonly request: string;
  readonly batch: string | null;
}

const SWEEP_ENTRIES = 1_000;

/** Three fields of each entry of a range: requests may be long, and a sweep reads many. */
const MEMBERSHIPS = `
local found = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])) do
  local told = {entry[1], '', '', ''}
  local flat = entry[2]
  for at = 1, #flat, 2 do
    for which = 4, 6 do if flat[at] == ARGV[which] then told[which - 2] = flat[at + 1] end end
  end
  found[#found + 1] = told
end
return found`;

/** Reads a stream in the order of its ids. */
export class RedisStream {
  constructor(
    private readonly redis: PipelineRedis,
    readonly name: string,
    private readonly fields: StreamFields,
  ) {}

  async range(from: string, to: string, count: number): Promise<Entry[]> {
    const reply = await this.redis.ask(['XRANGE', this.name, from, to, 'COUNT', String(count)]);
    return listOf(reply).map((one) => {
      const [ref, flat] = one as readonly [string, readonly string[]];
      const fields = new Map<string, string>();
      for (let at = 0; at + 1 < flat.length; at += 2) fields.set(String(flat[at]), String(flat[at + 1]));
      return { ref, fields };
    });
  }

  /** From `from` (an id, or `(id` for what is behind it) to `to`, a thousand at a time. */
  async *memberships(from: string, to: string): AsyncGenerator<Membership> {
    const { id, version, batch } = this.fields;
    const names = [id, version, batch ?? ''];
    for (let start = from; ;) {
      const args = [start, to, String(SWEEP_ENTRIES), ...names];
      const page = listOf(await this.redis.ask(['EVAL', MEMBERSHIPS, '1', this.name, ...args]));
      for (const one of page) {
        const [ref = '', item, of, group] = one as readonly string[];
        yield { ref, item: item || null, version: of || null, batch: group || null };
      }
      const last = page.at(-1) as readonly string[] | undefined;
      if (last === undefined || page.length < SWEEP_ENTRIES) return;
      start = `(${last[0] ?? ''}`;
    }
  }

  idOf({ ref, item }: Pick<Membership, 'ref' | 'item'>): string {
    if (item !== null && item !== '') return item;
    throw new PipelineRefused(`${this.name} ${ref}: found no field ${this.fields.id}`);
  }
}

export function msOf(ref: string): number {
  return Number(ref.split('-')[0]);
}

function listOf(reply: Reply): readonly Reply[] {
  if (Array.isArray(reply)) return reply as readonly Reply[];
  throw new PipelineRefused('the answer to XRANGE is no list');
}
