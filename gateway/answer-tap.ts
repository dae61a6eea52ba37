import { NOTHING_READ, type AnswerReader, type Read } from './answer-reader';

/** Answers up to this length are read for their class, score and text; longer ones and streams pass unread. */
const READ_MAX_BYTES = 65_536;

/** A copy of one answer on its way through, for what is read of it; the answer itself never waits for it. */
export class AnswerTap {
  private chunks: Buffer[] | null;
  private bytes = 0;

  private constructor(
    private readonly reader: AnswerReader,
    readable: boolean,
  ) {
    this.chunks = readable ? [] : null;
  }

  /** A tap for an answer that should have a class or score, or null for all others. `length` is -1 where unknown. */
  static for(
    reader: AnswerReader,
    method: string | undefined,
    status: number,
    type: unknown,
    length: number,
  ): AnswerTap | null {
    if (!reader.active || method !== 'POST' || status < 200 || status > 299) return null;
    const contentType = typeof type === 'string' ? type : '';
    if (contentType.startsWith('text/event-stream') || length > READ_MAX_BYTES) return null;
    return new AnswerTap(reader, /\bjson\b/i.test(contentType));
  }

  /** True while the answer is short enough to be read; afterwards the tap is of no use. */
  take(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    if (this.bytes > READ_MAX_BYTES) return false;
    this.chunks?.push(chunk);
    return true;
  }

  read(): Read {
    const { chunks } = this;
    if (!chunks || chunks.length === 0) return NOTHING_READ;
    return this.reader.read(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
  }
}
