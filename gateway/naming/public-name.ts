const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LF = 0x0a;
const COLON = 0x3a;
const KEY = Buffer.from('model');
const NOTHING = Buffer.alloc(0);
/** Of one character of a name, as JSON may write it: an escape of six bytes. */
const BYTES_PER_CHARACTER = 6;

type Place = 'outside' | 'string' | 'after-key' | 'before-value' | 'value';

/**
 * Writes the public name for the version's own wherever it is the value of a key `model`, at any depth, in JSON or in the
 * data of server-sent events, from pieces that may be cut anywhere. Holds back nothing but an unfinished value of such a
 * key, and no more of it than the name could be long. All other bytes pass as they came.
 *
 * A line end ends a string: JSON has none inside, and so the text of one event cannot swallow the next.
 */
export class PublicName {
  private place: Place = 'outside';
  private escaped = false;
  /** Bytes of `model` that the string agrees with so far; -1 where it does not. */
  private matched = 0;
  private held: Buffer[] = [];
  private heldBytes = 0;
  private readonly limitBytes: number;
  private readonly replacement: Buffer;

  constructor(
    private readonly name: string,
    publicName: string,
  ) {
    this.limitBytes = name.length * BYTES_PER_CHARACTER + 2;
    this.replacement = Buffer.from(JSON.stringify(publicName));
  }

  /** What can go on to the client now. */
  take(chunk: Buffer): Buffer {
    const out: Buffer[] = [];
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      switch (this.place) {
        case 'outside': {
          const quote = chunk.indexOf(QUOTE, at);
          at = quote < 0 ? chunk.length : quote;
          if (quote >= 0) this.beginString();
          break;
        }
        case 'string':
          this.inString(byte);
          break;
        case 'after-key':
          if (byte === COLON) this.place = 'before-value';
          else if (byte === QUOTE) this.beginString();
          else if (!isSpace(byte)) this.place = 'outside';
          break;
        case 'before-value':
          if (byte === QUOTE) {
            out.push(chunk.subarray(from, at));
            from = at;
            this.place = 'value';
            this.escaped = false;
          } else if (!isSpace(byte)) this.place = 'outside';
          break;
        case 'value':
          if (!this.escaped && byte === QUOTE) {
            out.push(this.released(chunk.subarray(from, at + 1)));
            from = at + 1;
            this.place = 'outside';
          } else if (byte === LF || this.heldBytes + at - from >= this.limitBytes) {
            out.push(...this.held, chunk.subarray(from, at));
            from = at;
            this.forget();
            this.place = 'string';
            this.matched = -1;
            this.inString(byte);
          } else this.escaped = !this.escaped && byte === BACKSLASH;
          break;
      }
    }
    const rest = chunk.subarray(from);
    if (this.place === 'value') {
      this.held.push(rest);
      this.heldBytes += rest.length;
    } else if (out.length === 0) return rest;
    else out.push(rest);
    return out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out);
  }

  /** What was held back when the answer ended. */
  end(): Buffer {
    const rest = this.held.length === 0 ? NOTHING : Buffer.concat(this.held);
    this.forget();
    this.place = 'outside';
    return rest;
  }

  private beginString(): void {
    this.place = 'string';
    this.matched = 0;
    this.escaped = false;
  }

  private inString(byte: number): void {
    if (byte === LF) this.place = 'outside';
    else if (this.escaped) this.escaped = false;
    else if (byte === QUOTE) this.place = this.matched === KEY.length ? 'after-key' : 'outside';
    else if (byte === BACKSLASH) {
      this.escaped = true;
      this.matched = -1;
    } else if (this.matched >= 0) this.matched = byte === KEY[this.matched] ? this.matched + 1 : -1;
  }

  private released(last: Buffer): Buffer {
    const token = this.held.length === 0 ? last : Buffer.concat([...this.held, last]);
    this.forget();
    return valueOf(token) === this.name ? this.replacement : token;
  }

  private forget(): void {
    this.held = [];
    this.heldBytes = 0;
  }
}

function valueOf(token: Buffer): unknown {
  try {
    return JSON.parse(token.toString('utf8'));
  } catch {
    return null;
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === LF || byte === 0x0d || byte === 0x09;
}
