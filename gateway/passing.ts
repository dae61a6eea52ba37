import type { ServerResponse } from 'node:http';
import type { Attempt } from './attempt';
import { answerHeaders } from './headers';
import type { RenamedAnswer } from './naming/renamed-answer';

const ONE_PIECE_MAX_BYTES = 16_384;

/** What begins an answer. */
export interface Head {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly requestId: string;
  readonly version: string;
  /** The answer was not in the cache. */
  readonly isMiss: boolean;
}

/** One answer on its way to the client. */
export class Passing {
  private written = false;

  constructor(
    private readonly res: ServerResponse,
    private readonly head: Head,
    /** Bytes that are still to come; -1 where unknown. */
    private remaining: number,
    /** Where the backend knows the version by another name than its clients. */
    private readonly renaming: RenamedAnswer | null,
    /** Gets each piece as the client gets it. */
    private readonly copy: ((sent: Buffer) => void) | null,
  ) {
    if (renaming) this.remaining = -1;
    if (renaming?.held === true) return;
    res.writeHead(head.status, this.headers());
    // A stream whose first event is yet to come: its headers go out now.
    if (this.remaining < 0) setImmediate(() => (res.writableEnded || res.destroyed ? undefined : res.flushHeaders()));
  }

  /** True when this was the last piece, and the whole answer is on its way. */
  take(chunk: Buffer, attempt: Attempt): boolean {
    if (this.remaining >= 0 && (this.remaining -= chunk.length) === 0) {
      this.copy?.(chunk);
      // The last piece and the end in one: half the calls into the socket for a short answer. As text of single bytes it
      // leaves in one piece with the headers: one plain write instead of a gathered one.
      if (!this.written && chunk.length <= ONE_PIECE_MAX_BYTES) this.res.end(chunk.toString('latin1'), 'latin1');
      else this.res.end(chunk);
      return true;
    }
    const sent = this.renaming ? this.renaming.take(chunk) : chunk;
    if (sent.length === 0) return false;
    this.copy?.(sent);
    this.written = true;
    if (!this.res.write(sent)) {
      attempt.controller?.pause();
      this.res.once('drain', () => attempt.controller?.resume());
    }
    return false;
  }

  /** False where the answer cannot be given on, because it could name the version; then nothing of it has gone out. */
  end(): boolean {
    const { head, renaming, res } = this;
    if (!renaming) {
      res.end();
      return true;
    }
    const rest = renaming.end();
    if (rest === null) return false;
    this.copy?.(rest);
    if (renaming.held) res.writeHead(head.status, [...this.headers(), 'content-length', String(rest.length)]);
    res.end(rest);
    return true;
  }

  private headers(): string[] {
    const { headers, requestId, version, isMiss } = this.head;
    const result = answerHeaders(this.renaming?.headers ?? headers, requestId, version);
    if (isMiss) result.push('x-lastgood-cache', 'miss');
    return result;
  }
}
