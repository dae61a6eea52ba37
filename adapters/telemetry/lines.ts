/** Nothing came for longer than the source promises to be silent. */
export class SourceSilent extends Error {
  constructor(silenceMs: number) {
    super(`nothing came for ${silenceMs} ms`);
    this.name = 'SourceSilent';
  }
}

/**
 * Lines of a byte stream without their ends, empty ones included. Rejects for a line above `limitBytes` and, with
 * {@link SourceSilent}, when nothing comes for `silenceMs`. An unfinished last line is dropped: half a row is no row.
 */
export async function* lines(
  source: AsyncIterable<Buffer>,
  limits: { limitBytes: number; silenceMs: number },
): AsyncGenerator<string> {
  const parts = source[Symbol.asyncIterator]();
  let rest: Buffer[] = [];
  let restBytes = 0;
  for (;;) {
    const next = await nextWithin(parts, limits.silenceMs);
    if (next.done) return;
    let part: Buffer = next.value;
    for (let end = part.indexOf(0x0a); end >= 0; end = part.indexOf(0x0a)) {
      restBytes += end;
      if (restBytes > limits.limitBytes) throw new Error(`a line is longer than ${limits.limitBytes} bytes`);
      yield Buffer.concat([...rest, part.subarray(0, end)]).toString('utf8');
      rest = [];
      restBytes = 0;
      part = part.subarray(end + 1);
    }
    if (part.length > 0) rest.push(part);
    restBytes += part.length;
    if (restBytes > limits.limitBytes) throw new Error(`a line is longer than ${limits.limitBytes} bytes`);
  }
}

async function nextWithin(parts: AsyncIterator<Buffer>, silenceMs: number): Promise<IteratorResult<Buffer>> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SourceSilent(silenceMs)), silenceMs);
  });
  const next = parts.next();
  // Rejects later, when the caller aborts the connection after the silence.
  next.catch(() => undefined);
  try {
    return await Promise.race([next, silence]);
  } finally {
    clearTimeout(timer);
  }
}
