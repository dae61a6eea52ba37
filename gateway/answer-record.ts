import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { AnswerReason, Backend } from '../domain/route';
import type { Answer } from './protocol';

const FLUSH_MS = 50;
/** Lines waiting for a slow disk beyond this number are given up and shown as a gap. */
const WAITING_MAX = 100_000;
/** Lines that stay in memory: enough that a label of seconds later needs no file. */
const RECENT_MAX = 20_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What one flush wrote. Indexed when it is first asked for: most answers are never looked up. */
interface Batch {
  readonly text: string;
  readonly lines: number;
  byId: Map<string, string> | null;
}

/** The part of a line that is the same for all answers of a backend under one epoch, made once. */
export function linePrefix(
  service: string,
  version: string,
  backend: Backend,
  epoch: number,
  reason: AnswerReason,
): string {
  const fixed = { service, version, digest: backend.digest, instance: backend.instance, epoch, reason };
  return `${JSON.stringify(fixed).slice(1, -1)},"status":`;
}

/** Most answers: nothing is made for them. */
const none = {};

/**
 * The answer record of one service: one NDJSON line a request in a file for each hour (`2026-11-23T01.ndjson`, UTC),
 * written at least every 50 ms. A line has no input and no output of the model but its class and score.
 */
export class AnswerRecord {
  readonly dir: string;
  private waiting: string[] = [];
  private writing = false;
  private file: { hour: string; fd: number } | null = null;
  private timer: NodeJS.Timeout | null = null;
  private recentBatches: Batch[] = [];
  private recentLines = 0;
  private waitingSince = 0;
  private lost: { fromMs: number; toMs: number } | null = null;
  private idle: (() => void)[] = [];

  constructor(
    dataDir: string,
    service: string,
    private readonly retentionDays: number,
    private readonly onLost: (fromMs: number, toMs: number) => void,
  ) {
    this.dir = join(dataDir, 'answers', service);
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
  }

  /**
   * `id`, `prefix` and `cached` are ours or checked already; only the class needs quoting. `atMs` is the end of the answer.
   * `cached`: the request that the answer was made for, where it came from the cache; `item`: the client's word, quoted here.
   */
  add(
    id: string,
    atMs: number,
    prefix: string,
    status: number,
    ms: number,
    predicted: string | null,
    score: number | null,
    { cached, item }: { readonly cached?: string; readonly item?: string | undefined } = none,
  ): void {
    const quoted = predicted === null ? 'null' : JSON.stringify(predicted);
    const from = cached === undefined ? '' : `,"cached":"${cached}"`;
    const of = item === undefined ? '' : `,"item":${JSON.stringify(item)}`;
    const line = `{"id":"${id}","at":${atMs},${prefix}${status},"ms":${ms.toFixed(2)},"class":${quoted},"score":${score}${from}${of}}\n`;
    if (this.waiting.length >= WAITING_MAX) {
      this.lost = { fromMs: this.lost?.fromMs ?? atMs, toMs: atMs };
      return;
    }
    if (this.waiting.length === 0) this.waitingSince = atMs;
    this.waiting.push(line);
    if (!this.timer && !this.writing) this.timer = setTimeout(() => this.flush(), FLUSH_MS);
  }

  recent(id: string): Answer | undefined {
    const start = `{"id":"${id}",`;
    const waiting = this.waiting.findLast((line) => line.startsWith(start));
    if (waiting !== undefined) return JSON.parse(waiting) as Answer;
    for (let index = this.recentBatches.length - 1; index >= 0; index -= 1) {
      const batch = this.recentBatches[index] as Batch;
      batch.byId ??= indexed(batch.text);
      const line = batch.byId.get(id);
      if (line !== undefined) return JSON.parse(line) as Answer;
    }
    return undefined;
  }

  /** All answers up to this moment are with the operating system: what a SIGKILL now loses came later. */
  writtenThrough(nowMs: number): number {
    return this.waiting.length > 0 || this.writing ? Math.min(this.waitingSince, nowMs) : nowMs;
  }

  flush(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.writing) return;
    if (this.waiting.length === 0) {
      for (const done of this.idle.splice(0)) done();
      return;
    }
    const text = this.waiting.join('');
    this.remember(text, this.waiting.length);
    this.waiting = [];
    this.writing = true;
    const since = this.waitingSince;
    const failed = (): void => {
      this.lost = { fromMs: this.lost?.fromMs ?? since, toMs: Date.now() };
    };
    const done = (error: Error | null): void => {
      this.writing = false;
      if (error) failed();
      else if (this.lost) {
        this.onLost(this.lost.fromMs, this.lost.toMs);
        this.lost = null;
      }
      if (this.waiting.length > 0) this.timer = setTimeout(() => this.flush(), this.idle.length > 0 ? 0 : FLUSH_MS);
      else this.flush();
    };
    try {
      writeAll(this.openFor(Date.now()), Buffer.from(text), 0, done);
    } catch (error) {
      done(error as Error);
    }
  }

  /** Resolves when all lines are written. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.idle.push(resolve);
      this.flush();
    });
  }

  /** Names of the hours for which there is a file, oldest first. */
  hours(): string[] {
    return readdirSync(this.dir)
      .filter((name) => name.endsWith('.ndjson'))
      .map((name) => name.slice(0, -'.ndjson'.length))
      .sort();
  }

  removeOld(nowMs: number): void {
    const oldest = hourOf(nowMs - this.retentionDays * DAY_MS);
    for (const hour of this.hours()) if (hour < oldest) unlinkSync(join(this.dir, `${hour}.ndjson`));
  }

  close(): void {
    if (this.timer) clearTimeout(this.timer);
    if (this.file) closeSync(this.file.fd);
    this.file = null;
  }

  private remember(text: string, lines: number): void {
    this.recentBatches.push({ text, lines, byId: null });
    this.recentLines += lines;
    while (this.recentLines > RECENT_MAX && this.recentBatches.length > 1) {
      this.recentLines -= this.recentBatches.shift()?.lines ?? 0;
    }
  }

  private openFor(nowMs: number): number {
    const hour = hourOf(nowMs);
    if (this.file?.hour === hour) return this.file.fd;
    if (this.file) closeSync(this.file.fd);
    const fd = openSync(join(this.dir, `${hour}.ndjson`), 'a+', 0o600);
    // A write cut by a crash leaves half a line: the next line must not be glued to it.
    const { size } = fstatSync(fd);
    const last = Buffer.alloc(1);
    if (size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a) writeSync(fd, '\n');
    this.file = { hour, fd };
    return fd;
  }
}

function indexed(text: string): Map<string, string> {
  const byId = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line !== '') byId.set(line.slice(7, line.indexOf('"', 7)), line);
  }
  return byId;
}

export function hourOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 13);
}

export function hourStartMs(hour: string): number {
  return Date.parse(`${hour}:00:00Z`);
}

function writeAll(fd: number, bytes: Buffer, offset: number, done: (error: Error | null) => void): void {
  write(fd, bytes, offset, bytes.length - offset, null, (error, written) => {
    if (error) done(error);
    else if (offset + written < bytes.length) writeAll(fd, bytes, offset + written, done);
    else done(null);
  });
}
