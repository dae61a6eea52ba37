import { StringDecoder } from 'node:string_decoder';

/**
 * The lines of an answer of the engine. Nothing is read, and so nothing is lost, before the first one is asked for; who stops
 * in between ends the answer. Rejects when the connection breaks. (`readline` loses what comes before its loop, and
 * a connection that breaks outside of the loop is an error that nobody catches: the end of the process.)
 */
export function linesOf(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  // A break is told to whoever reads, once somebody does.
  stream.on('error', () => undefined);
  return read(stream);
}

async function* read(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const part of stream) {
    const parts = (rest + (typeof part === 'string' ? part : decoder.write(part))).split(/\r?\n/);
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest !== '') yield rest;
}
