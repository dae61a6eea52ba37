import type { FileHandle } from 'node:fs/promises';
import { constants, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import type { ManifestFile } from '../manifest';
import { isPickle, mayBePickle } from './pickle';
import { memberHead, zipMembers, type ZipMember } from './zip-members';

/** Formats that run code of their author when they are loaded, and that a host may allow all the same. */
export const codeFormats = ['pickle'] as const;
export type CodeFormat = (typeof codeFormats)[number];

const HEAD_BYTES = 1024 * 1024;
/** Of a compressed file, enough to see what is in it; it grows at most by a thousand. */
const PACKED_BYTES = 4096;
const UNPACKED_BYTES = 8 * 1024 * 1024;
/** Of a member of an archive that is stored as it is. */
const STORED_BYTES = 64 * 1024;
const MEMBERS_MAX = 20_000;

/** Names that are pickles wherever they stand. */
const ALWAYS = /\.(pkl|pickle|dill|joblib)$/i;
/** Names that Python's loaders unpickle; elsewhere than among weights `.bin` may be anything. */
const AS_WEIGHTS = /\.(pt|pth|bin|ckpt)$/i;
const IN_ARCHIVE = /\.(pkl|pickle|dill|joblib|pt|pth)$/i;
const NUMPY = Buffer.from('\x93NUMPY', 'latin1');

/** Compressions that nobody here can look into, by their first bytes. */
const OPAQUE: readonly (readonly [string, Buffer])[] = [
  ['bzip2', Buffer.from('BZh')],
  ['xz', Buffer.from('\xfd7zXZ\x00', 'latin1')],
  ['LZ4', Buffer.from('\x04\x22\x4d\x18', 'latin1')],
  ['Zstandard', Buffer.from('\x28\xb5\x2f\xfd', 'latin1')],
  ['7-Zip', Buffer.from('7z\xbc\xaf\x27\x1c', 'latin1')],
  ['RAR', Buffer.from('Rar!')],
  ['LZMA', Buffer.from('\x5d\x00\x00', 'latin1')],
];
/** A tar archive says so here, and a loader that unpacks it finds what it finds. */
const TAR = Buffer.from('ustar');
const TAR_AT = 257;

/**
 * In words, why loading this file may run code of its author; null where nothing says so. By name and by content: a
 * renamed pickle is one, and a name that Python's loaders unpickle is not believed to be anything else.
 */
export async function codeIn({ path, role, bytes }: ManifestFile, file: FileHandle): Promise<string | null> {
  const loaded = role === 'weights' || role === 'adapter';
  const head = Buffer.alloc(Math.min(HEAD_BYTES, bytes));
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  // The structure of one that is called so is checked to its last byte, and its first bytes are a length of any value.
  const unknown = loaded && !path.endsWith('.safetensors');
  const read = head.subarray(0, bytesRead);
  const found =
    contentWords(read, unknown) ??
    (unknown && mayBePickle(read, bytes) ? 'what may be a pickle by its content' : null) ??
    (await archiveWords(file, bytes, loaded));
  if (found !== null) return found;
  if (ALWAYS.test(path) || (loaded && AS_WEIGHTS.test(path))) return 'a pickle by its name';
  return null;
}

function contentWords(head: Buffer, unknown: boolean): string | null {
  if (isPickle(head)) return 'a pickle by its content';
  if (head.subarray(0, NUMPY.length).equals(NUMPY) && /'descr':\s*'?[|<>=]?O/.test(head.toString('latin1', 0, 512)))
    return 'a NumPy array of objects, which are pickled';
  const unpacked = unpack(head.subarray(0, PACKED_BYTES));
  if (unpacked !== null && isPickle(unpacked)) return 'a compressed pickle';
  const opaque = OPAQUE.find(([, magic]) => head.subarray(0, magic.length).equals(magic));
  if (!unknown) return null;
  if (opaque !== undefined) return `compressed by ${opaque[0]}, which cannot be looked into`;
  if (head.subarray(TAR_AT, TAR_AT + TAR.length).equals(TAR)) return 'a tar archive, which is not looked into';
  return null;
}

async function archiveWords(file: FileHandle, bytes: number, loaded: boolean): Promise<string | null> {
  const archive = await zipMembers(file, bytes);
  if (archive === null) return null;
  const { names, members, whole } = archive;
  if (names.some((name) => IN_ARCHIVE.test(name))) return 'a ZIP archive with a pickle in it (PyTorch writes such)';
  for (const member of members.slice(0, MEMBERS_MAX)) {
    const words = await memberWords(file, member, loaded);
    if (words !== null) return `a ZIP archive whose member ${JSON.stringify(member.name.slice(0, 80))} is ${words}`;
  }
  if (!loaded) return null;
  if (members.length > MEMBERS_MAX)
    return `a ZIP archive of ${members.length} members, of which ${MEMBERS_MAX} were looked into`;
  return whole ? null : 'a ZIP archive whose directory cannot be read';
}

/** By its content, whatever it is called: loaders go by the content too, or by a name in another member. */
async function memberWords(file: FileHandle, member: ZipMember, loaded: boolean): Promise<string | null> {
  const { method, encrypted, bytes } = member;
  if (encrypted || (method !== 0 && method !== 8))
    return loaded ? `${encrypted ? 'encrypted' : `packed by method ${method}`}, which cannot be looked into` : null;
  const packed = await memberHead(file, member, method === 0 ? STORED_BYTES : PACKED_BYTES);
  const head = packed === null || method === 0 ? packed : unpackRaw(packed);
  if (head === null) return loaded ? 'not where its directory says, or cannot be unpacked' : null;
  return (
    contentWords(head, loaded) ?? (loaded && mayBePickle(head, bytes) ? 'what may be a pickle by its content' : null)
  );
}

function unpackRaw(packed: Buffer): Buffer | null {
  if (packed.length === 0) return packed;
  try {
    return inflateRawSync(packed, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: UNPACKED_BYTES });
  } catch {
    return null;
  }
}

/** The beginning of what zlib or gzip packed; null where neither did. */
function unpack(packed: Buffer): Buffer | null {
  const [first = 0, second = 0] = packed;
  const isGzip = first === 0x1f && second === 0x8b;
  // zlib: method 8, and the first two bytes are a multiple of 31.
  const isZlib = (first & 0x0f) === 8 && first >> 4 <= 7 && ((first << 8) | second) % 31 === 0;
  if (!isGzip && !isZlib) return null;
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: UNPACKED_BYTES };
  try {
    return isGzip ? gunzipSync(packed, options) : inflateSync(packed, options);
  } catch {
    return null;
  }
}
