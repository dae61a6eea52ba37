import { readSafetensors, SafetensorsError, writeSafetensors } from '../../../examples/mail-triage/safetensors';

const good = writeSafetensors({
  tensors: {
    w: { shape: [2, 3], data: Float32Array.from([1, 2, 3, 4, 5, 6]) },
    b: { shape: [2], data: Float32Array.from([-1, 0.5]) },
  },
  metadata: { seed: '7' },
});

/** The same tensor bytes under another header. */
function withHeader(header: string, body: Buffer = Buffer.alloc(32)): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([head, Buffer.from(header), body]);
}

const tensor = (begin: number, end: number, shape = [(end - begin) / 4]): object => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('safetensors', () => {
  it('reads back what it wrote', () => {
    const { tensors, metadata } = readSafetensors(good, 'w.safetensors');
    expect(tensors['w']).toEqual({ shape: [2, 3], data: Float32Array.from([1, 2, 3, 4, 5, 6]) });
    expect(tensors['b']).toEqual({ shape: [2], data: Float32Array.from([-1, 0.5]) });
    expect(metadata).toEqual({ seed: '7' });
    expect((8 + Number(good.readBigUInt64LE(0))) % 8).toBe(0);
  });

  it('refuses it cut at any byte', () => {
    for (let length = 0; length < good.length; length += 1) {
      expect(() => readSafetensors(good.subarray(0, length), 'w.safetensors')).toThrow(SafetensorsError);
    }
  });

  it.each<[string, Buffer, RegExp]>([
    ['bytes after the last tensor', Buffer.concat([good, Buffer.alloc(4)]), /4 bytes after the last tensor/],
    ['a header longer than the file', withLength(good, 2 ** 20), /reaches beyond the file/],
    ['a header longer than the format allows', withLength(good, 2 ** 40), /expected at most/],
    ['a header that is not JSON', withHeader('{"a":'), /the header is not JSON/],
    ['overlapping tensors', headerOf({ a: tensor(0, 20), b: tensor(16, 32) }), /b overlaps the tensor before it/],
    ['a hole between tensors', headerOf({ a: tensor(0, 12), b: tensor(16, 32) }), /4 bytes before b belong to no/],
    ['offsets beyond the bytes', headerOf({ a: tensor(0, 36) }), /lies outside the 32 bytes/],
    ['offsets backwards', headerOf({ a: tensor(16, 0, [4]) }), /lies outside/],
    ['negative offsets', headerOf({ a: tensor(-4, 0, [1]) }), /expected \[begin, end\]/],
    ['a shape of another size', headerOf({ a: tensor(0, 32, [7]) }), /expected 28 for shape \[7\]/],
    ['another type', headerOf({ a: { ...tensor(0, 32), dtype: 'F64' } }), /a\.dtype: found "F64"/],
    [
      'a name twice',
      withHeader(`{"a":${JSON.stringify(tensor(0, 32))},"a":${JSON.stringify(tensor(0, 32))}}`),
      /each name once/,
    ],
  ])('refuses %s and names the file', (_what, bytes, message) => {
    expect(() => readSafetensors(bytes, 'w.safetensors')).toThrow(message);
    expect(() => readSafetensors(bytes, 'w.safetensors')).toThrow(/^w\.safetensors: /);
  });
});

function headerOf(header: object): Buffer {
  return withHeader(JSON.stringify(header));
}

function withLength(bytes: Buffer, length: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeBigUInt64LE(BigInt(length));
  return copy;
}
