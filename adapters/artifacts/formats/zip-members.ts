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

/** One entry of the directory, and where its local header stands in the file. */
export interface ZipMember {
  readonly name: string;
  /** 0: stored as it is, 8: deflated. */
  readonly method: number;
  readonly encrypted: boolean;
  readonly packedBytes: number;
  readonly bytes: number;
  readonly at: number;
}

/**
 * What is in a ZIP archive: the name of the first entry as it stands before its content, and the members of its directory.
 * Null where the file is no ZIP archive; `whole` is false where its directory cannot be read (the 64-bit kind too): loaders
 * may disagree about what is in it.
 */
export async function zipMembers(
  file: FileHandle,
  bytes: number,
): Promise<{
  readonly names: readonly string[];
  readonly members: readonly ZipMember[];
  readonly whole: boolean;
} | null> {
  const first = await localName(file);
  const tail = await readAt(file, Math.max(0, bytes - TAIL_BYTES), Math.min(bytes, TAIL_BYTES));
  const end = lastIndexOf(tail, END);
  if (end === null) return first === null ? null : { names: [first], members: [], whole: false };
  const size = tail.readUInt32LE(end + 12);
  const claimed = tail.readUInt32LE(end + 16);
  // Something may stand before the archive: the directory ends where its end record begins.
  const from = Math.max(0, bytes - tail.length) + end - size;
  const directory =
    size > LIMIT_DIRECTORY_BYTES || claimed === 0xffffffff || from < 0 ? null : await readAt(file, from, size);
  const members = directory === null ? null : directoryMembers(directory, from - claimed);
  // Four bytes that look like an end record, in a file that does not begin as an archive, are an accident.
  if (first === null && members === null) return null;
  const names = (members ?? []).map(({ name }) => name);
  const found = [...(first === null ? [] : [first]), ...names];
  return { names: found, members: members ?? [], whole: members !== null && members.length > 0 };
}

/** The beginning of a member as it is packed; null where its header is not where the directory says. */
export async function memberHead(
  file: FileHandle,
  { at, packedBytes }: ZipMember,
  most: number,
): Promise<Buffer | null> {
  const header = at < 0 ? Buffer.alloc(0) : await readAt(file, at, LOCAL_BYTES);
  if (header.length < LOCAL_BYTES || header.readUInt32LE(0) !== LOCAL) return null;
  const from = at + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  return await readAt(file, from, Math.min(most, packedBytes));
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

/** Null where it is not what a directory looks like. `before`: bytes that stand before the archive. */
function directoryMembers(directory: Buffer, before: number): ZipMember[] | null {
  const members: ZipMember[] = [];
  for (let at = 0; at < directory.length;) {
    if (at + ENTRY_BYTES > directory.length || directory.readUInt32LE(at) !== ENTRY) return null;
    const nameBytes = directory.readUInt16LE(at + 28);
    const rest = nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    members.push({
      name: directory.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes).toString('latin1'),
      method: directory.readUInt16LE(at + 10),
      encrypted: (directory.readUInt16LE(at + 8) & 1) === 1,
      packedBytes: directory.readUInt32LE(at + 20),
      bytes: directory.readUInt32LE(at + 24),
      at: directory.readUInt32LE(at + 42) + before,
    });
    at += ENTRY_BYTES + rest;
  }
  return members;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
