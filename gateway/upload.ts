import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/**
 * The body of one request on its way up. Short bodies of known length are collected whole before a backend is chosen;
 * all others are streamed, with a copy kept for a repeat as long as it fits `replayLimitBytes`.
 */
export class Upload {
  private kept: Buffer[] | null = [];
  private keptBytes = 0;
  private ended = false;
  private current: Readable | null = null;
  private wanted: ((body: Buffer | null) => void) | null = null;

  constructor(
    private readonly request: IncomingMessage,
    private readonly replayLimitBytes: number,
  ) {
    request.on('data', (chunk: Buffer) => this.take(chunk));
    request.on('end', () => this.finish());
    request.pause();
  }

  /** Whether the body can be sent once more from its begin. */
  get replayable(): boolean {
    return this.kept !== null || this.current !== null;
  }

  /** The body from its begin: the stream of the attempt before when nobody read from it, else a new one. */
  stream(): Readable {
    if (this.current) return this.current;
    if (!this.kept) throw new Error('the body of this request is gone');
    const stream = new Readable({ read: () => this.request.resume() });
    // An attempt that is given up destroys its stream; nobody else listens for that.
    stream.on('error', () => undefined);
    for (const chunk of this.kept) stream.push(chunk);
    if (this.ended) stream.push(null);
    this.current = stream;
    return stream;
  }

  /** The body in one piece once it is there; null as soon as it is longer than what is kept. */
  whole(done: (body: Buffer | null) => void): void {
    this.wanted = done;
    if (this.kept === null || this.ended) this.tell();
    else this.request.resume();
  }

  /** An attempt read from the stream and failed. */
  spoil(): void {
    this.current?.destroy();
    this.current = null;
  }

  abort(): void {
    this.current?.destroy();
    this.request.resume();
  }

  private take(chunk: Buffer): void {
    if (this.kept) {
      this.keptBytes += chunk.length;
      if (this.keptBytes <= this.replayLimitBytes) this.kept.push(chunk);
      else {
        this.kept = null;
        this.tell();
      }
    }
    if (this.current && !this.current.destroyed && !this.current.push(chunk)) this.request.pause();
  }

  private finish(): void {
    this.ended = true;
    this.tell();
    if (this.current && !this.current.destroyed) this.current.push(null);
  }

  private tell(): void {
    const { wanted, kept } = this;
    this.wanted = null;
    wanted?.(kept && Buffer.concat(kept));
  }
}

/** Collects a body whose length is known to be short. */
export function collect(request: IncomingMessage, done: (body: Buffer) => void): void {
  let first: Buffer | null = null;
  let more: Buffer[] | null = null;
  request.on('data', (chunk: Buffer) => {
    if (!first) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  request.on('end', () => done(more ? Buffer.concat(more) : (first ?? Buffer.alloc(0))));
}
