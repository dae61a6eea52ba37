import type { FileHandle } from 'node:fs/promises';

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
/** The end record may be followed by a comment of 65,535 bytes. */
const TAIL_BYTES = END_BYTES + 65_535;
const LIMIT_DIRECTORY_BYTES = 16 * 1024 * 1024;

/**
 * Names in a ZIP archive: of the first entry as it stands before its content, and of its directory. Null where the file
 * is no ZIP archive; `whole` is false where its directory cannot be read (the 64-bit kind too): loaders may disagree about
 * what is in it.
 */
export async function zipNames(
  file: FileHandle,
  bytes: number,
): Promise<{ readonly names: readonly string[]; readonly whole: boolean } | null> {
  const first = await localName(file);
  const tail = await readAt(file, Math.max(0, bytes - TAIL_BYTES), Math.min(bytes, TAIL_BYTES));
  const end = lastIndexOf(tail, END);
  if (end === null) return first === null ? null : { names: [first], whole: false };
  const size = tail.readUInt32LE(end + 12);
  const claimed = tail.readUInt32LE(end + 16);
  // Something may stand before the archive: the directory ends where its end record begins.
  const from = Math.max(0, bytes - tail.length) + end - size;
  const directory =
    size > LIMIT_DIRECTORY_BYTES || claimed === 0xffffffff || from < 0 ? null : await readAt(file, from, size);
  const names = directory === null ? null : directoryNames(directory);
  // Four bytes that look like an end record, in a file that does not begin as an archive, are an accident.
  if (first === null && names === null) return null;
  const found = [...(first === null ? [] : [first]), ...(names ?? [])];
  return { names: found, whole: names !== null && names.length > 0 };
}

async function localName(file: FileHandle): Promise<string | null> {
  const head = await readAt(file, 0, LOCAL_BYTES + 512);
  if (head.length < LOCAL_BYTES || head.readUInt32LE(0) !== LOCAL) return null;
  return head.subarray(LOCAL_BYTES, LOCAL_BYTES + head.readUInt16LE(26)).toString('latin1');
}

function lastIndexOf(tail: Buffer, signature: number): number | null {
  for (let at = tail.length - END_BYTES; at >= 0; at--) if (tail.readUInt32LE(at) === signature) return at;
  return null;
}

/** Null where it is not what a directory looks like. */
function directoryNames(directory: Buffer): string[] | null {
  const names: string[] = [];
  for (let at = 0; at < directory.length;) {
    if (at + ENTRY_BYTES > directory.length || directory.readUInt32LE(at) !== ENTRY) return null;
    const nameBytes = directory.readUInt16LE(at + 28);
    const rest = nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    names.push(directory.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes).toString('latin1'));
    at += ENTRY_BYTES + rest;
  }
  return names;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
