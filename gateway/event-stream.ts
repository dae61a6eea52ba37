const LF = 0x0a;
const CR = 0x0d;

/**
 * The data of server-sent events (WHATWG HTML, "Server-sent events"), from pieces of a byte stream that may be cut
 * anywhere, also inside a character: a line is decoded when it is whole. Holds at most one event of `limitBytes`.
 * Lines end with LF or CRLF; a lone CR, which the standard allows, no model server sends.
 */
export class EventStream {
  private rest: Buffer[] = [];
  private restBytes = 0;
  private data: string[] = [];
  private dataBytes = 0;

  constructor(
    private readonly limitBytes: number,
    private readonly onData: (data: string) => void,
  ) {}

  /** False once an event is longer than the limit: nothing more can be read. */
  take(chunk: Buffer): boolean {
    let begin = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, begin)) {
      const last = chunk.subarray(begin, end);
      begin = end + 1;
      if (this.restBytes + last.length + this.dataBytes > this.limitBytes) return false;
      this.takeLine(this.rest.length === 0 ? last : Buffer.concat([...this.rest, last]));
      this.rest = [];
      this.restBytes = 0;
    }
    if (begin < chunk.length) {
      const rest = chunk.subarray(begin);
      this.rest.push(rest);
      this.restBytes += rest.length;
    }
    return this.restBytes + this.dataBytes <= this.limitBytes;
  }

  /** A last event without its empty line counts: the answer itself has ended as it should. */
  end(): void {
    if (this.rest.length > 0) this.takeLine(Buffer.concat(this.rest));
    this.rest = [];
    this.dispatch();
  }

  private takeLine(line: Buffer): void {
    const length = line.at(-1) === CR ? line.length - 1 : line.length;
    if (length === 0) {
      this.dispatch();
      return;
    }
    // Comments, and what else an event may have (its name, an id), say nothing here.
    if (line.subarray(0, 5).toString('latin1') !== 'data:') return;
    this.data.push(line.toString('utf8', line[5] === 0x20 ? 6 : 5, length));
    this.dataBytes += length;
  }

  private dispatch(): void {
    if (this.data.length === 0) return;
    const data = this.data.length === 1 ? (this.data[0] as string) : this.data.join('\n');
    this.data = [];
    this.dataBytes = 0;
    this.onData(data);
  }
}
