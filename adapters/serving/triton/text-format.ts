/** One field of a message in protobuf's text format, and where it stands in the text. */
export interface TextField {
  readonly name: string;
  /** A message, a list, or the words of a scalar as they stand there. */
  readonly value: TextValue;
  readonly start: number;
  readonly end: number;
}

export type TextValue =
  | { readonly is: 'message'; readonly fields: readonly TextField[] }
  | { readonly is: 'list'; readonly items: readonly TextValue[] }
  | { readonly is: 'scalar'; readonly words: string };

export class TextFormatRefused extends Error {
  constructor(
    readonly line: number,
    problem: string,
  ) {
    super(`line ${line}: ${problem}`);
    this.name = 'TextFormatRefused';
  }
}

const DEPTH_MAX = 50;
const blanks = /(?:\s|#[^\n]*)*/y;
const fieldName = /[A-Za-z_][A-Za-z0-9_]*|\[[A-Za-z0-9_./-]+\]/y;
const quoted = /"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'/y;
const bare = /-?\s*[A-Za-z0-9_.+-]+/y;

/**
 * Reads a file in protobuf's text format (`config.pbtxt`) far enough to know where each field begins and ends. What is read
 * can be kept byte by byte; what cannot be read is refused with its line, never guessed.
 */
export function readTextFormat(text: string): readonly TextField[] {
  return new Reader(text).whole();
}

class Reader {
  private at = 0;
  private depth = 0;

  constructor(private readonly text: string) {}

  whole(): readonly TextField[] {
    const fields = this.fields(null);
    if (this.at < this.text.length) throw this.refusal('a field');
    return fields;
  }

  private fields(closing: string | null): TextField[] {
    const fields: TextField[] = [];
    for (;;) {
      this.take(blanks);
      if (this.at >= this.text.length || this.text[this.at] === closing) return fields;
      const start = this.at;
      const name = this.take(fieldName);
      if (name === null)
        throw this.refusal(closing === null ? 'the name of a field' : `the name of a field or ${closing}`);
      this.take(blanks);
      const colon = this.takeOne(':');
      this.take(blanks);
      if (!colon && !this.begins('{', '<', '[')) throw this.refusal(`: after ${name}`);
      const value = this.value();
      const end = this.at;
      this.take(blanks);
      if (!this.takeOne(',')) this.takeOne(';');
      fields.push({ name, value, start, end });
    }
  }

  private value(): TextValue {
    this.depth += 1;
    if (this.depth > DEPTH_MAX) throw this.refusal(`at most ${DEPTH_MAX} messages in each other`);
    try {
      if (this.takeOne('{')) return this.message('}');
      if (this.takeOne('<')) return this.message('>');
      if (this.takeOne('[')) return this.list();
      return this.scalar();
    } finally {
      this.depth -= 1;
    }
  }

  private message(closing: string): TextValue {
    const fields = this.fields(closing);
    if (!this.takeOne(closing)) throw this.refusal(closing);
    return { is: 'message', fields };
  }

  private list(): TextValue {
    const items: TextValue[] = [];
    this.take(blanks);
    if (this.takeOne(']')) return { is: 'list', items };
    for (;;) {
      this.take(blanks);
      items.push(this.value());
      this.take(blanks);
      if (this.takeOne(']')) return { is: 'list', items };
      if (!this.takeOne(',')) throw this.refusal(', or ] in a list');
    }
  }

  private scalar(): TextValue {
    const parts: string[] = [];
    // Strings side by side are one string.
    for (;;) {
      const part = this.take(quoted);
      if (part === null) break;
      parts.push(part);
      const before = this.at;
      this.take(blanks);
      if (!this.begins('"', "'")) {
        this.at = before;
        break;
      }
    }
    if (parts.length > 0) return { is: 'scalar', words: parts.join(' ') };
    const word = this.take(bare);
    if (word === null) throw this.refusal('a value');
    return { is: 'scalar', words: word };
  }

  private take(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const [found] = pattern.exec(this.text) ?? [];
    if (found === undefined) return null;
    this.at += found.length;
    return found;
  }

  private takeOne(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  private begins(...characters: readonly string[]): boolean {
    return characters.includes(this.text[this.at] ?? '');
  }

  private refusal(expected: string): TextFormatRefused {
    const line = this.text.slice(0, this.at).split('\n').length;
    const rest = this.text.slice(this.at).split('\n')[0]?.slice(0, 40) ?? '';
    const found = this.at >= this.text.length ? 'the end of the file' : JSON.stringify(rest);
    return new TextFormatRefused(line, `found ${found}, expected ${expected}`);
  }
}
