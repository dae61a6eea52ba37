import { Readable } from 'node:stream';
import type { ChainedEntry } from '../../domain/ledger';
import type { ServiceView } from '../types';

const leaveMs = 5_000;

/**
 * One reader of server-sent events (the HTML standard, section 9.2). What it does not take is kept up to `limitBytes`; more
 * ends the connection, and the reader comes back with the id of the last entry that it has.
 */
export class EventStream {
  readonly body: Readable;
  private wanted: (() => void)[] = [];
  private over = false;

  constructor(private readonly limitBytes: number) {
    this.body = new Readable({ read: () => this.resume() });
    this.body.once('close', () => {
      this.over = true;
      this.resume();
    });
  }

  get open(): boolean {
    return !this.over;
  }

  /** `seq`: where the ledger stood, so that whoever is cut off before the first entry resumes there. */
  status(view: ServiceView, seq: number | null): void {
    this.write(`event: status\n${seq === null ? '' : `id: ${seq}\n`}data: ${JSON.stringify(view)}\n\n`);
  }

  entry(entry: ChainedEntry): void {
    this.write(`event: entry\nid: ${entry.seq}\ndata: ${JSON.stringify(entry)}\n\n`);
  }

  alive(): void {
    this.write(': alive\n\n');
  }

  /** The last event says why; a reader that takes nothing any more is left after five seconds. */
  end(why: string): void {
    if (this.over) return;
    this.write(`event: end\ndata: ${JSON.stringify({ why })}\n\n`);
    this.over = true;
    this.body.push(null);
    setTimeout(() => this.body.destroy(), leaveMs).unref();
  }

  /** Resolves when the reader wants more, or is gone. */
  async drained(): Promise<void> {
    if (this.over || this.body.readableLength === 0) return;
    await new Promise<void>((resume) => this.wanted.push(resume));
  }

  private write(text: string): void {
    if (this.over) return;
    const unsent = this.body.readableLength + Buffer.byteLength(text);
    if (unsent <= this.limitBytes) this.body.push(text);
    else this.body.destroy();
  }

  private resume(): void {
    for (const resume of this.wanted.splice(0)) resume();
  }
}
