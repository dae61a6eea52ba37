import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';

const lineSchema = z.strictObject({ sink: z.string(), what: z.string(), value: z.string(), at: z.number() });
type Line = z.output<typeof lineSchema>;

export interface AlertMemoryOptions {
  /** Null: for this process only. */
  readonly file: string | null;
  /** Files of other processes, read whenever one has changed: what they have shown counts here too. */
  readonly others?: () => readonly string[];
  /** What is older is forgotten. Default 90 days. */
  readonly keptMs?: number;
  /** Facts of one sink; the oldest go first. Default 10,000. */
  readonly limit?: number;
  readonly now?: () => number;
  /** The file could not be written: what was noted holds until this process ends. */
  readonly onFault?: (error: Error) => void;
}

/**
 * What each sink has shown and which thread an incident has there, also after a restart: a page that was sent is not sent
 * again. One process for each file. A file that cannot be read is begun anew: forgetting shows an alert twice, never less.
 */
export class AlertMemory {
  private readonly sinks = new Map<string, Map<string, Line>>();
  private readonly now: () => number;
  private readonly learned = new Map<string, { mtimeMs: number; size: number; newest: number }>();
  private queue: Promise<void> = Promise.resolve();
  private lines = 0;

  constructor(private readonly options: AlertMemoryOptions) {
    this.now = options.now ?? Date.now;
    this.load();
  }

  get(sink: string, what: string): Line | null {
    this.learn();
    return this.sinks.get(sink)?.get(what) ?? null;
  }

  /** Facts of the sink whose name begins so, oldest first. */
  having(sink: string, prefix: string): Line[] {
    this.learn();
    return [...(this.sinks.get(sink)?.values() ?? [])].filter(({ what }) => what.startsWith(prefix));
  }

  /** In force at once; resolves when it is on disk, or could not be put there. An empty value forgets. */
  note(sink: string, what: string, value: string): Promise<void> {
    const line: Line = { sink, what, value, at: this.now() };
    this.take(line);
    const { file } = this.options;
    if (file === null) return Promise.resolve();
    this.lines += 1;
    const kept = [...this.sinks.values()].reduce((sum, one) => sum + one.size, 0);
    const whole = this.lines > 2 * kept + 200;
    this.queue = this.queue
      .then(() => (whole ? this.rewrite(file) : appendFile(file, `${JSON.stringify(line)}\n`, { mode: 0o600 })))
      .catch((error: unknown) => this.options.onFault?.(error as Error));
    return this.queue;
  }

  private take(line: Line): void {
    const own = this.sinks.get(line.sink) ?? new Map<string, Line>();
    this.sinks.set(line.sink, own);
    own.delete(line.what);
    if (line.value !== '') own.set(line.what, line);
    for (const oldest of own.keys()) {
      if (own.size <= (this.options.limit ?? 10_000)) break;
      own.delete(oldest);
    }
  }

  /** What others noted since the last look; their order is that of their clocks, as ours. */
  private learn(): void {
    for (const file of this.options.others?.() ?? []) {
      try {
        const { mtimeMs, size } = statSync(file);
        const before = this.learned.get(file) ?? { mtimeMs: 0, size: 0, newest: 0 };
        if (before.mtimeMs === mtimeMs && before.size === size) continue;
        let { newest } = before;
        for (const text of readIfThere(file).split('\n')) {
          const line = parse(text);
          if (line === null || line.at <= before.newest) continue;
          newest = Math.max(newest, line.at);
          if (line.at >= (this.sinks.get(line.sink)?.get(line.what)?.at ?? 0)) this.take(line);
        }
        this.learned.set(file, { mtimeMs, size, newest });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.options.onFault?.(error as Error);
      }
    }
  }

  private async rewrite(file: string): Promise<void> {
    const text = this.text();
    this.lines = 0;
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  private text(): string {
    const all = [...this.sinks.values()].flatMap((own) => [...own.values()]);
    return all.map((line) => `${JSON.stringify(line)}\n`).join('');
  }

  private load(): void {
    const { file, keptMs = 90 * 86_400_000 } = this.options;
    if (file === null) return;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      for (const text of readIfThere(file).split('\n')) {
        const line = parse(text);
        if (line !== null && line.at > this.now() - keptMs) this.take(line);
      }
      writeFileSync(file, this.text(), { mode: 0o600 });
    } catch (error) {
      this.options.onFault?.(error as Error);
    }
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Null for a line that a crash tore. */
function parse(text: string): Line | null {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
