import { Writable } from 'node:stream';
import type { Context } from './context';
import { errorAsJson } from './failure';

/** Enough for every problem of a configuration that people would read at once. */
const keptWords = 50;

/** Streams whose whole lines become one JSON object each on standard output; what went to standard error still does. */
export class JsonLines {
  private words: readonly string[] = [];

  constructor(private readonly context: Context) {}

  readonly stdout = linesInto((line) => this.print({ at: this.context.terminal.now(), line: line.trim() }));
  readonly stderr = linesInto((line) => {
    this.words = [...this.words, line].slice(-keptWords);
    this.context.terminal.err(line);
  });

  failed(exitCode: number): void {
    this.print(errorAsJson({ what: this.words.join('\n') || 'up could not run', todo: 'lastgood doctor', exitCode }));
  }

  private print(value: object): void {
    this.context.terminal.out(JSON.stringify(value));
  }
}

function linesInto(take: (line: string) => void): Writable {
  let rest = '';
  return new Writable({
    write(piece: Buffer, _encoding, done) {
      const lines = (rest + piece.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') take(line);
      done();
    },
  });
}
