/**
 * The safetensors format: 8 bytes with the length of the header (little endian), the header as JSON, then the tensors'
 * bytes. A checkpoint comes from outside, so everything in it is checked before a byte of it is used.
 */
export interface Tensor {
  /** Dimensions; the product of them is the number of values. */
  shape: number[];
  data: Float32Array;
}

export interface Tensors {
  tensors: Record<string, Tensor>;
  metadata: Record<string, string>;
}

export class SafetensorsError extends Error {
  override name = 'SafetensorsError';
}

const MAX_HEADER_BYTES = 100 * 1024 * 1024;
const FLOAT_BYTES = 4;

/** Writes F32 tensors, in the order of their names, without gaps. The same tensors give the same bytes. */
export function writeSafetensors(content: Tensors): Buffer {
  const header: Record<string, unknown> = { __metadata__: content.metadata };
  const names = Object.keys(content.tensors).sort();
  let offset = 0;
  for (const name of names) {
    const { shape, data } = content.tensors[name] as Tensor;
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.length * FLOAT_BYTES] };
    offset += data.length * FLOAT_BYTES;
  }
  const json = JSON.stringify(header);
  // Readers that map the file into memory need the tensors aligned to 8 bytes; the format pads with spaces.
  const padded = json.padEnd(Math.ceil(Buffer.byteLength(json) / 8) * 8 - Buffer.byteLength(json) + json.length, ' ');
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(Buffer.byteLength(padded)));
  return Buffer.concat([
    head,
    Buffer.from(padded),
    ...names.map((name) => littleEndian(content.tensors[name] as Tensor)),
  ]);
}

/**
 * Reads and checks: length of the header, its shape, offsets in range and matching the shapes, no overlap, no gap, no
 * bytes after the last tensor, no name twice.
 * @param file how the source is called in messages
 * @throws SafetensorsError with the place and what was expected
 */
export function readSafetensors(bytes: Buffer, file: string): Tensors {
  const refuse = (problem: string): never => {
    throw new SafetensorsError(`${file}: ${problem}`);
  };
  if (bytes.length < 8) refuse(`found ${bytes.length} bytes, expected at least the 8 bytes of the header's length`);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  if (headerBytes > MAX_HEADER_BYTES) refuse(`header length ${headerBytes}, expected at most ${MAX_HEADER_BYTES}`);
  if (8 + headerBytes > bytes.length) refuse(`header length ${headerBytes} reaches beyond the file of ${bytes.length}`);
  const header = parseHeader(bytes.subarray(8, 8 + headerBytes).toString('utf8'), refuse);
  const body = bytes.subarray(8 + headerBytes);
  const result: Tensors = { tensors: {}, metadata: {} };
  const ranges: { name: string; begin: number; end: number }[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      result.metadata = Object.fromEntries(Object.entries(value as object).map(([key, text]) => [key, String(text)]));
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
    if (dtype !== 'F32') return refuse(`${name}.dtype: found ${JSON.stringify(dtype)}, expected "F32"`);
    if (!isSizes(shape)) return refuse(`${name}.shape: found ${JSON.stringify(shape)}, expected sizes`);
    if (!isSizes(offsets) || offsets.length !== 2) {
      return refuse(`${name}.data_offsets: found ${JSON.stringify(offsets)}, expected [begin, end]`);
    }
    const [begin, end] = offsets as [number, number];
    if (begin > end || end > body.length) {
      refuse(`${name}.data_offsets: [${begin}, ${end}] lies outside the ${body.length} bytes of tensors`);
    }
    const values = shape.reduce((product, size) => product * size, 1);
    if (values * FLOAT_BYTES !== end - begin) {
      refuse(`${name}: ${end - begin} bytes, expected ${values * FLOAT_BYTES} for shape [${shape.join(', ')}]`);
    }
    ranges.push({ name, begin, end });
    result.tensors[name] = { shape, data: floats(body.subarray(begin, end)) };
  }
  checkCoverage(ranges, body.length, refuse);
  return result;
}

function checkCoverage(
  ranges: { name: string; begin: number; end: number }[],
  bodyBytes: number,
  refuse: (problem: string) => never,
): void {
  let covered = 0;
  for (const range of ranges.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (range.begin < covered) refuse(`${range.name} overlaps the tensor before it at byte ${range.begin}`);
    if (range.begin > covered) refuse(`${range.begin - covered} bytes before ${range.name} belong to no tensor`);
    covered = range.end;
  }
  if (covered < bodyBytes) refuse(`${bodyBytes - covered} bytes after the last tensor`);
}

function parseHeader(json: string, refuse: (problem: string) => never): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(json);
  } catch (error) {
    return refuse(`the header is not JSON: ${(error as Error).message}`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) return refuse('the header is no object');
  // `JSON.parse` keeps the last of two equal names; another reader may keep the first and run other weights.
  if (JSON.stringify(header) !== json.trimEnd()) refuse('the header is not compact JSON with each name once');
  for (const [name, value] of Object.entries(header)) {
    if (typeof value !== 'object' || value === null) refuse(`${name}: expected an object`);
  }
  return header as Record<string, unknown>;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function littleEndian(tensor: Tensor): Buffer {
  const bytes = Buffer.alloc(tensor.data.length * FLOAT_BYTES);
  tensor.data.forEach((value, index) => bytes.writeFloatLE(value, index * FLOAT_BYTES));
  return bytes;
}

function floats(bytes: Buffer): Float32Array {
  // Copied, since the tensor may begin at an address that is not a multiple of four.
  const copy = Uint8Array.from(bytes);
  return new Float32Array(copy.buffer, 0, copy.length / FLOAT_BYTES);
}
