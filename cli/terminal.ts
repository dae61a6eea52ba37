/** Where a command writes, and what time it is there; a test gives its own. */
export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  /** Replaces what `repaint` wrote before; where the output is no terminal the lines just follow. */
  repaint(lines: readonly string[]): void;
  now(): number;
  readonly isTerminal: boolean;
}

export function processTerminal(): Terminal {
  const isTerminal = process.stdout.isTTY;
  // The reader of a pipe may have seen enough (`| head`): that is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  return {
    isTerminal,
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    repaint(lines) {
      if (isTerminal) process.stdout.write('\u001b[H\u001b[2J');
      process.stdout.write(`${lines.join('\n')}\n`);
    },
    now: () => Date.now(),
  };
}
