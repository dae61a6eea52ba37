import { NOTHING_READ, type AnswerReader, type Read } from './answer-reader';
import { StreamedAnswer } from './streamed-answer';

/** Answers up to this length are read for their class, score and text; longer ones pass unread. */
const READ_MAX_BYTES = 65_536;

export interface AnsweredWith {
  readonly method: string | undefined;
  readonly status: number;
  readonly type: unknown;
  readonly encoding: unknown;
  /** -1 where unknown. */
  readonly length: number;
  /** The text is wanted. */
  readonly sampled: boolean;
}

/** A copy of one answer on its way through, for what is read of it; the answer itself never waits for it. */
export interface AnswerTap {
  /** Its class and score are counted, and their absence too. A stream has none. */
  readonly counts: boolean;
  /** False once the answer is too long to be read at all; then the tap is of no use. */
  take(chunk: Buffer): boolean;
  /** What was read of an answer that has ended as it should. */
  read(): Read;
}

/** A tap for an answer that is to be read, or null for all others: also for compressed ones, which say nothing here. */
export function tapFor(reader: AnswerReader, answered: AnsweredWith): AnswerTap | null {
  const { encoding, method, sampled, status } = answered;
  if (method !== 'POST' || status < 200 || status > 299) return null;
  if (!reader.counted && !(reader.readsText && sampled)) return null;
  if (typeof encoding === 'string' && encoding !== 'identity') return null;
  const type = typeof answered.type === 'string' ? answered.type : '';
  if (/^text\/event-stream\b/i.test(type)) return reader.readsText && sampled ? new StreamTap(reader) : null;
  return answered.length > READ_MAX_BYTES ? null : new WholeTap(reader, /\bjson\b/i.test(type));
}

/** Read in one piece when it has ended. */
class WholeTap implements AnswerTap {
  readonly counts = true;
  private readonly chunks: Buffer[] | null;
  private bytes = 0;

  constructor(
    private readonly reader: AnswerReader,
    readable: boolean,
  ) {
    this.chunks = readable ? [] : null;
  }

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

/** Read piece by piece: only sampled answers, so that a stream costs its reading only where it is wanted. */
class StreamTap implements AnswerTap {
  readonly counts = false;
  private readonly answer: StreamedAnswer;

  constructor(reader: AnswerReader) {
    this.answer = new StreamedAnswer(reader.textPath);
  }

  take(chunk: Buffer): boolean {
    this.answer.take(chunk);
    return true;
  }

  read(): Read {
    return this.answer.read();
  }
}
