/**
 * As much of the tar format (POSIX ustar, with pax headers for long names) as a backup needs: any `tar` reads what is
 * written here. Regular files only: nothing in an archive can be a link that leads out of it.
 */
export interface TarFile {
  readonly path: string;
  readonly bytes: number;
  readonly mode: number;
}

const BLOCK = 512;
const NAME_BYTES = 100;
/** What eleven octal digits hold; nothing of ours comes near. */
const SIZE_LIMIT = 8 ** 11;
const PAX_LIMIT_BYTES = 64 * 1024;

/** An archive that is none, or is cut short. */
export class TarBroken extends Error {
  override readonly name = 'TarBroken';
}

/** The header of a file, to be followed by its bytes and {@link padding}. */
export function tarHeader(file: TarFile): Buffer {
  if (file.bytes >= SIZE_LIMIT) throw new RangeError(`${file.path}: ${file.bytes} bytes are too many for an archive`);
  if (Buffer.byteLength(file.path) <= NAME_BYTES) return block(file, '0');
  const record = paxRecord('path', file.path);
  const pax = block({ path: 'pax-header', bytes: record.length, mode: 0o600 }, 'x');
  return Buffer.concat([pax, record, padding(record.length), block({ ...file, path: 'long-name' }, '0')]);
}

export function padding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
}

export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

function block({ path, bytes, mode }: TarFile, type: '0' | 'x'): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void =>
    void header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  header.write(path, 0, 'utf8');
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(bytes, 124, 12);
  octal(0, 136, 12);
  header.write(type, 156, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  header.write('        ', 148, 'latin1');
  octal(sumOf(header), 148, 7);
  header.write(' ', 155, 'latin1');
  return header;
}

function sumOf(header: Buffer): number {
  return header.reduce((sum, byte) => sum + byte, 0);
}

/** Its length counts itself. */
function paxRecord(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (Buffer.byteLength(`${length}${rest}`) !== length) length = Buffer.byteLength(`${length}${rest}`);
  return Buffer.from(`${length}${rest}`);
}

/** Hands each file to `take` in its order; what `take` leaves unread is skipped. Rejects with {@link TarBroken}. */
export async function readTar(
  source: AsyncIterable<Buffer>,
  take: (file: TarFile, content: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const reader = new Reader(source);
  let longName: string | null = null;
  for (;;) {
    const header = await reader.exactly(BLOCK);
    if (header.every((byte) => byte === 0)) return;
    const { file, type } = parse(header);
    if (type === 'x') {
      if (file.bytes > PAX_LIMIT_BYTES) throw new TarBroken('a name in it is too long');
      longName = nameIn(await reader.exactly(file.bytes));
    } else if (type === '0' || type === '\0') {
      const content = reader.content(file.bytes);
      await take(longName === null ? file : { ...file, path: longName }, content);
      for await (const _rest of content);
      longName = null;
    } else {
      throw new TarBroken(`${file.path}: it is no regular file (type ${type})`);
    }
    await reader.exactly(padding(file.bytes).length);
  }
}

function parse(header: Buffer): { file: TarFile; type: string } {
  const text = (at: number, length: number): string => {
    const field = header.subarray(at, at + length);
    const end = field.indexOf(0);
    return field.subarray(0, end === -1 ? length : end).toString('utf8');
  };
  const octal = (at: number, length: number): number => parseInt(text(at, length).trim() || '0', 8);
  const expected = octal(148, 8);
  const copy = Buffer.from(header);
  copy.write('        ', 148, 'latin1');
  if (sumOf(copy) !== expected) throw new TarBroken('it is no archive of lastgood, or is damaged');
  const type = String.fromCharCode(header[156] ?? 0);
  return { file: { path: text(0, NAME_BYTES), bytes: octal(124, 12), mode: octal(100, 8) }, type };
}

function nameIn(record: Buffer): string | null {
  return /^\d+ path=(.*)\n/s.exec(record.toString('utf8'))?.[1] ?? null;
}

class Reader {
  private readonly iterator: AsyncIterator<Buffer>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.iterator = source[Symbol.asyncIterator]();
  }

  async exactly(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.content(bytes)) parts.push(part);
    return Buffer.concat(parts);
  }

  async *content(bytes: number): AsyncGenerator<Buffer, void, undefined> {
    let left = bytes;
    while (left > 0) {
      if (this.rest.length === 0) {
        const next = await this.iterator.next();
        if (next.done === true) throw new TarBroken('it is cut short');
        this.rest = next.value;
      }
      const part = this.rest.subarray(0, left);
      this.rest = this.rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }
}
