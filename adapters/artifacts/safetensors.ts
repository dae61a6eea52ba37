import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import type { ArtifactProblem } from '../../domain/version';
import { JsonRefused, parseStrictJson } from './strict-json';

/**
 * Some 150,000 tensors. The format's own reader takes 100 MB (`MAX_HEADER_SIZE`), which would keep this process busy for
 * ten seconds; no model comes near.
 */
const LIMIT_HEADER_BYTES = 16 * 1024 * 1024;
const LENGTH_BYTES = 8;

const BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  U16: 16,
  I16: 16,
  F16: 16,
  BF16: 16,
  U32: 32,
  I32: 32,
  F32: 32,
  U64: 64,
  I64: 64,
  F64: 64,
  C64: 64,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
};

const offset = z.int().min(0);
const tensorSchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(offset),
  data_offsets: z.tuple([offset, offset]),
});
const headerSchema = z.record(z.string(), z.unknown());
const metadataSchema = z.record(z.string(), z.string());

/**
 * Checks the structure of a safetensors file without reading its tensors: header length, header JSON, and that the
 * tensors cover the data exactly (no gap, no overlap, nothing behind). Source: the format's specification.
 */
export async function safetensorsProblems(path: string, file: FileHandle, bytes: number): Promise<ArtifactProblem[]> {
  const problem = (expected: string, found: string): ArtifactProblem[] => [
    { path, problem: 'invalid', expected, found },
  ];
  if (bytes < LENGTH_BYTES) return problem('a safetensors header', `${bytes} bytes`);
  const length = Buffer.alloc(LENGTH_BYTES);
  await file.read(length, 0, LENGTH_BYTES, 0);
  const headerBytes = length.readBigUInt64LE();
  const room = BigInt(Math.min(bytes - LENGTH_BYTES, LIMIT_HEADER_BYTES));
  if (headerBytes > room) return problem(`a header of at most ${room} bytes`, `${headerBytes} bytes`);
  const header = Buffer.alloc(Number(headerBytes));
  await file.read(header, 0, header.length, LENGTH_BYTES);
  // So the format's own reader; white space before the object would be another file to other readers.
  if (header[0] !== 0x7b) return problem('a header that begins with {', `byte ${header[0] ?? 'none'}`);
  let json: unknown;
  try {
    json = parseStrictJson(header);
  } catch (fault) {
    if (!(fault instanceof JsonRefused)) throw fault;
    return problem('a JSON header', fault.message);
  }
  return headerProblems(path, json, bytes - LENGTH_BYTES - header.length);
}

function headerProblems(path: string, json: unknown, dataBytes: number): ArtifactProblem[] {
  const problem = (where: string, expected: string, found: string): ArtifactProblem[] => [
    { path: `${path}#${where}`, problem: 'invalid', expected, found },
  ];
  const header = headerSchema.safeParse(json);
  if (!header.success) return problem('header', 'an object of tensors', typeof json);
  const tensors: { name: string; from: number; to: number }[] = [];
  for (const [name, value] of Object.entries(header.data)) {
    if (name === '__metadata__') {
      if (!metadataSchema.safeParse(value).success) return problem(name, 'an object of strings', 'something else');
      continue;
    }
    const tensor = tensorSchema.safeParse(value);
    if (!tensor.success) return problem(name, 'dtype, shape and data_offsets', tensor.error.issues[0]?.message ?? '');
    const { dtype, shape } = tensor.data;
    const [from, to] = tensor.data.data_offsets;
    const bits = BITS[dtype];
    if (bits === undefined) return problem(name, `one of ${Object.keys(BITS).join(' ')}`, dtype);
    const size = (shape.reduce((product, side) => product * side, 1) * bits) / 8;
    // Beyond, products of doubles are rounded, and a rounded one might fit by accident.
    if (!Number.isSafeInteger(size))
      return problem(name, 'a shape of whole bytes below 2^53', `[${shape.join()}] ${dtype}`);
    if (from > to || to > dataBytes) return problem(name, `a range within ${dataBytes} bytes`, `${from} to ${to}`);
    if (to - from !== size) return problem(name, `${size} bytes for its shape`, `${to - from} bytes`);
    tensors.push({ name, from, to });
  }
  tensors.sort((left, right) => left.from - right.from || left.to - right.to);
  let covered = 0;
  for (const { name, from, to } of tensors) {
    if (from !== covered) {
      return problem(name, `to begin at ${covered}`, `${from} (${from < covered ? 'overlap' : 'gap'})`);
    }
    covered = to;
  }
  return covered === dataBytes
    ? []
    : problem('data', `${covered} bytes of tensors`, `${dataBytes - covered} bytes more`);
}
