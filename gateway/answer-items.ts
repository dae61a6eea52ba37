import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { hourStartMs, type AnswerRecord } from './answer-record';
import type { ItemAnswer, ItemAnswers } from './protocol';

const HOUR_MS = 3_600_000;
/** An answer stands in the file of the hour in which it was written, which may be the next one. */
const WRITTEN_LATE_MS = 5_000;
/** Read for one page at most, however few of its lines are wanted. */
const PAGE_BYTES = 64 * 1024 * 1024;

const cursorPattern = /^(\d{4}-\d{2}-\d{2}T\d{2})\/(\d{1,15})$/;
const lineSchema = z.object({
  at: z.number(),
  id: z.string(),
  version: z.string(),
  status: z.number(),
  item: z.string().optional(),
});

export interface ItemsAsked {
  readonly version: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** `hour/byte`: where the next line begins. */
  readonly cursor: string | null;
  readonly limit: number;
}

/** Items that a version answered, in the order in which they were written down; answers without an item are left out. */
export async function itemsAnswered(record: AnswerRecord, asked: ItemsAsked): Promise<ItemAnswers> {
  const { fromMs, toMs, limit } = asked;
  const [, startHour = '', startByte = '0'] = cursorPattern.exec(asked.cursor ?? '') ?? [];
  const hours = record.hours().filter((hour) => {
    const begins = hourStartMs(hour);
    return begins < toMs + WRITTEN_LATE_MS && begins + HOUR_MS + WRITTEN_LATE_MS > fromMs && hour >= startHour;
  });
  const items: ItemAnswer[] = [];
  let read = 0;
  for (const [index, hour] of hours.entries()) {
    let byte = hour === startHour ? Number(startByte) : 0;
    for await (const { line, end } of linesFrom(join(record.dir, `${hour}.ndjson`), byte)) {
      read += end - byte;
      byte = end;
      const item = wanted(line, asked);
      if (item) items.push(item);
      if (items.length >= limit || read >= PAGE_BYTES) return { items, next: `${hour}/${byte}` };
    }
    if (index === hours.length - 1) break;
  }
  return { items, next: null };
}

function wanted(line: string, { version, fromMs, toMs }: ItemsAsked): ItemAnswer | null {
  if (!line.includes('"item":')) return null;
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    // A line that a crash cut short is no answer.
    return null;
  }
  const parsed = lineSchema.safeParse(json);
  if (!parsed.success) return null;
  const { at, id, item, status, version: by } = parsed.data;
  if (item === undefined || by !== version || at < fromMs || at >= toMs || status < 200 || status >= 300) return null;
  return { item, at, requestId: id };
}

async function* linesFrom(file: string, start: number): AsyncGenerator<{ line: string; end: number }> {
  let rest: Buffer = Buffer.alloc(0);
  let at = start;
  const stream = createReadStream(file, { start, highWaterMark: 1 << 18 });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let newline = rest.indexOf(10); newline >= 0; newline = rest.indexOf(10, from)) {
      const line = rest.toString('utf8', from, newline);
      at += newline + 1 - from;
      from = newline + 1;
      yield { line, end: at };
    }
    rest = rest.subarray(from);
  }
}
