import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { hourOf, hourStartMs, type AnswerRecord } from './answer-record';
import type { Answer, AnswersAt } from './protocol';
import { timeOfId } from './request-id';

const HOUR_MS = 3_600_000;
/** Lines stand in the order of their writing; two may be swapped by as much as one batch takes. */
const ORDER_SLACK_MS = 5_000;
/** Clients' own UUIDv7 are believed to be right to this. */
const CLOCK_SLACK_MS = 600_000;
const AROUND_MS = 30_000;
const PREFIX = '{"id":"';

export interface LookupLimits {
  /** Nothing that was answered before this is looked for. */
  readonly notBeforeMs: number;
  readonly requestMaxMs: number;
}

/** The answers with these ids: from memory, then by the time in a UUIDv7, then newest file first for any other id. */
export async function findAnswers(
  record: AnswerRecord,
  ids: Iterable<string>,
  limits: LookupLimits,
): Promise<Map<string, Answer>> {
  const found = new Map<string, Answer>();
  const timed = new Map<string, number>();
  const foreign = new Set<string>();
  for (const id of ids) {
    const recent = record.recent(id);
    if (recent) found.set(id, recent);
    else {
      const time = timeOfId(id);
      if (time === null) foreign.add(id);
      else timed.set(id, time);
    }
  }
  if (timed.size === 0 && foreign.size === 0) return found;
  for (const hour of record.hours().reverse()) {
    const startsAt = hourStartMs(hour);
    if (startsAt + HOUR_MS + ORDER_SLACK_MS < limits.notBeforeMs) break;
    const wanted = new Set(foreign);
    let fromMs = foreign.size > 0 ? 0 : Infinity;
    let toMs = foreign.size > 0 ? Infinity : 0;
    for (const [id, time] of timed) {
      const from = time - CLOCK_SLACK_MS;
      const to = time + CLOCK_SLACK_MS + limits.requestMaxMs;
      if (to < startsAt || from > startsAt + HOUR_MS + ORDER_SLACK_MS) continue;
      wanted.add(id);
      fromMs = Math.min(fromMs, from);
      toMs = Math.max(toMs, to);
    }
    if (wanted.size === 0) continue;
    await scan(join(record.dir, `${hour}.ndjson`), fromMs, (line) => {
      const id = line.slice(PREFIX.length, line.indexOf('"', PREFIX.length));
      if (!wanted.has(id)) return true;
      const answer = parseLine(line);
      if (answer) {
        // The last one counts where a client used its id twice: so the scan goes on.
        found.set(id, answer);
        timed.delete(id);
        foreign.delete(id);
      }
      return !answer || answer.at <= toMs;
    });
    if (timed.size === 0 && foreign.size === 0) break;
  }
  return found;
}

/** Which versions answered within the minute around a moment. */
export async function answersAround(record: AnswerRecord, atMs: number): Promise<AnswersAt['versions']> {
  const versions = new Map<string, AnswersAt['versions'][number]>();
  const [fromMs, toMs] = [atMs - AROUND_MS, atMs + AROUND_MS];
  const existing = new Set(record.hours());
  for (const hour of new Set([hourOf(Math.max(fromMs, 0)), hourOf(Math.max(toMs, 0))])) {
    if (!existing.has(hour)) continue;
    await scan(join(record.dir, `${hour}.ndjson`), fromMs, (line) => {
      const answer = parseLine(line);
      if (!answer || answer.at < fromMs) return true;
      if (answer.at > toMs) return answer.at < toMs + ORDER_SLACK_MS;
      const { version, digest, epoch, reason } = answer;
      const key = JSON.stringify([version, digest, epoch, reason]);
      const entry = versions.get(key) ?? { version, digest, epoch, reason, answers: 0 };
      entry.answers += 1;
      versions.set(key, entry);
      return true;
    });
  }
  return [...versions.values()].sort((left, right) => right.answers - left.answers);
}

/** Calls `visit` for each line from about `fromMs` on, until it returns false. */
async function scan(file: string, fromMs: number, visit: (line: string) => boolean): Promise<void> {
  const start = fromMs === 0 ? 0 : await offsetOf(file, fromMs - ORDER_SLACK_MS);
  let rest = '';
  const stream = createReadStream(file, { start, encoding: 'utf8', highWaterMark: 1 << 18 });
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith(PREFIX) && !visit(line)) return;
    }
  }
}

/** A byte offset at or before the first line that was written at `ms` or later (lines are ordered by time). */
async function offsetOf(file: string, ms: number): Promise<number> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    let low = 0;
    let high = size;
    const block = Buffer.alloc(8_192);
    while (high - low > 65_536) {
      const middle = Math.floor((low + high) / 2);
      const { bytesRead } = await handle.read(block, 0, block.length, middle);
      const text = block.toString('latin1', 0, bytesRead);
      const at = /\n\{"id":"[^"]*","at":(\d+)/.exec(text);
      if (!at || Number(at[1]) >= ms) high = middle;
      else low = middle;
    }
    return low;
  } finally {
    await handle.close();
  }
}

/** A line that a crash cut short is no answer. */
function parseLine(line: string): Answer | null {
  try {
    return JSON.parse(line) as Answer;
  } catch {
    return null;
  }
}
