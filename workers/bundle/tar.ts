import { createReadStream } from 'node:fs';

/** One file of an archive; `file` is where its bytes are on this machine. */
export interface ArchiveEntry {
  /** Relative, with slashes. */
  readonly path: string;
  readonly executable: boolean;
  readonly content: Buffer | { readonly file: string; readonly bytes: number };
}

const BLOCK = 512;
/** 2000-01-01: the same files make the same archive, and no tar complains of a time that cannot be. */
const MTIME_S = 946_684_800;

/** A tar archive (ustar; GNU's entry for the few longer names), which every tar reads. */
export async function* tarOf(entries: Iterable<ArchiveEntry>): AsyncGenerator<Buffer> {
  for (const { path, executable, content } of entries) {
    const bytes = Buffer.isBuffer(content) ? content.length : content.bytes;
    const mode = executable ? 0o755 : 0o644;
    const name = Buffer.from(path);
    if (name.length > 100) {
      const long = Buffer.concat([name, Buffer.alloc(1)]);
      yield header({ name: Buffer.from('././@LongLink'), bytes: long.length, mode: 0o644, type: 'L' });
      yield padded(long);
    }
    yield header({ name: name.subarray(0, 100), bytes, mode, type: '0' });
    if (Buffer.isBuffer(content)) {
      yield padded(content);
      continue;
    }
    let read = 0;
    for await (const part of createReadStream(content.file)) {
      read += (part as Buffer).length;
      yield part as Buffer;
    }
    // The header has said how many there are: what follows would be read as another file.
    if (read !== bytes)
      throw new Error(`${content.file}: found ${read} bytes, expected ${bytes}: it changed meanwhile`);
    yield Buffer.alloc(padding(bytes));
  }
  yield Buffer.alloc(2 * BLOCK);
}

function header(of: {
  readonly name: Buffer;
  readonly bytes: number;
  readonly mode: number;
  readonly type: string;
}): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void =>
    void block.write(value.toString(8).padStart(digits, '0'), at, 'ascii');
  of.name.copy(block, 0);
  octal(of.mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(of.bytes, 124, 11);
  octal(MTIME_S, 136, 11);
  block.write('        ', 148, 'ascii');
  block.write(of.type, 156, 'ascii');
  block.write('ustar\u000000', 257, 'ascii');
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  block.write('\u0000 ', 154, 'ascii');
  return block;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc(padding(content.length))]);
}

function padding(bytes: number): number {
  return (BLOCK - (bytes % BLOCK)) % BLOCK;
}
