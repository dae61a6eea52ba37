import type { FileHandle } from 'node:fs/promises';
import { constants, inflateSync, gunzipSync } from 'node:zlib';
import type { ManifestFile } from '../manifest';
import { isPickle, mayBePickle } from './pickle';
import { zipNames } from './zip-names';

/** Formats that run code of their author when they are loaded, and that a host may allow all the same. */
export const codeFormats = ['pickle'] as const;
export type CodeFormat = (typeof codeFormats)[number];

const HEAD_BYTES = 1024 * 1024;
/** Of a compressed file, enough to see what is in it; it grows at most by a thousand. */
const PACKED_BYTES = 4096;
const UNPACKED_BYTES = 8 * 1024 * 1024;

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
  const archive = await zipNames(file, bytes);
  if (archive === null) return null;
  if (archive.names.some((name) => IN_ARCHIVE.test(name)))
    return 'a ZIP archive with a pickle in it (PyTorch writes such)';
  return archive.whole || !loaded ? null : 'a ZIP archive whose directory cannot be read';
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
