import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { openDirectoryStore } from '../../adapters/artifacts/directory-store';
import { codeIn } from '../../adapters/artifacts/formats/code-format';
import { isPickle } from '../../adapters/artifacts/formats/pickle';
import type { ManifestFile } from '../../adapters/artifacts/manifest';
import { safetensorsProblems } from '../../adapters/artifacts/safetensors';
import { JsonRefused, parseStrictJson } from '../../adapters/artifacts/strict-json';
import { artifactFiles, safetensors, writeArtifact } from '../support/artifact-directory';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

const scratch = temporaryDirectory('formats');

/** Written by Python itself, as the formats that it is about: `[name, made by]`. */
const python = `
import bz2, gzip, io, lzma, os, pickle, sys, tarfile, zipfile, zlib, collections, datetime
there = sys.argv[1]
class Bad:
    def __reduce__(self): return (os.system, ('true',))
values = {'data': {'w': [0.5] * 50, 'n': list(range(300))}, 'ordered': collections.OrderedDict(a=1, t=datetime.date(2026, 1, 1)), 'bad': Bad()}
def put(name, content): open(os.path.join(there, name), 'wb').write(content)
for what, value in values.items():
    for protocol in range(6): put(f'{what}-{protocol}', pickle.dumps(value, protocol))
put('long-0', pickle.dumps([collections.OrderedDict(a=i) for i in range(60000)], 0))
put('long-4', pickle.dumps([collections.OrderedDict(a=str(i)) for i in range(60000)], 4))
bad = pickle.dumps(values['bad'])
put('zlib', zlib.compress(bad)); put('gzip', gzip.compress(bad)); put('bz2', bz2.compress(bad)); put('xz', lzma.compress(bad))
put('lzma', lzma.compress(bad, format=lzma.FORMAT_ALONE))
made = io.BytesIO(); tar = tarfile.open(fileobj=made, mode='w'); entry = tarfile.TarInfo('pickle'); entry.size = len(bad); tar.addfile(entry, io.BytesIO(bad)); tar.close()
put('tar', made.getvalue())
long = b'B' + (2_000_000).to_bytes(4, 'little') + b'a' * 2_000_000 + b'0cos\\ngetpid\\n(tR.'
put('popped-mark', b'\\x80\\x04(0cos\\ngetpid\\n(tR.'); put('popped-mark-0', b'(0cos\\ngetpid\\n(tR.'); put('long-argument', b'\\x80\\x04' + long); put('long-argument-0', long)
put('long-argument-later', b'N0' + long)
put('long-line', b'V' + b'a' * 2_000_000 + b'\\n0cos\\ngetpid\\n(tR.'); put('many-opcodes', b'N0' * 1_000_000 + b'cos\\ngetpid\\n(tR.')
for name in ('long-line', 'many-opcodes', 'popped-mark', 'popped-mark-0', 'long-argument', 'long-argument-0', 'long-argument-later'): assert pickle.loads(open(os.path.join(there, name), 'rb').read()) == os.getpid()
put('gzip-bomb', gzip.compress(bad + bytes(20_000_000)))
def archive(names, comment=b''):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as made:
        for name in names: made.writestr(name, bad)
        made.comment = comment
    return out.getvalue()
torch = archive(['archive/data.pkl', 'archive/version', 'archive/data/0'])
put('torch', torch); put('torch-late', archive(['archive/version', 'archive/data/0', 'archive/data.pkl']))
put('torch-behind', b'x' * 1000 + torch); put('torch-comment', archive(['a/data.pkl'], b'c' * 60000)); put('zip-renamed', archive(['a.txt', 'b.json']))
def packed(members, before=b''):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items(): made.writestr(name, content)
    return before + out.getvalue()
plain = b"\\x93NUMPY\\x01\\x00v\\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + b' ' * 40 + b'\\n' + bytes(4)
objects = plain.replace(b'<f4', b'|O') + bad
put('zip-plain', packed({'a.txt': b'words ' * 2000, 'b.json': b'{}', 'empty': b'', 'w.npy': plain}))
put('zip-deflated', packed({'a.txt': b'words', 'state': bad})); put('zip-behind', packed({'a.txt': b'words', 'state': bad}, b'x' * 1000))
put('npz-object', packed({'w.npy': plain, 'arr_1.npy': objects})); put('npz-renamed', packed({'w.npy': plain, 'arr_1.bin': objects}))
put('zip-first-opcodes', packed({'state': b'N0' * 1_000_000 + b'cos\\ngetpid\\n(tR.'}))
later = io.BytesIO(); kept = zipfile.ZipFile(later, 'w'); kept.writestr('state', b'N0' * 1_000_000 + b'cos\\ngetpid\\n(tR.'); kept.close(); put('zip-long-opcodes', later.getvalue())
moved = bytearray(packed({'state': b'words'})); at = moved.rindex(b'PK\\x01\\x02'); moved[at + 42:at + 46] = (7).to_bytes(4, 'little'); put('zip-moved', bytes(moved))
method = bytearray(packed({'state': b'words'})); at = method.rindex(b'PK\\x01\\x02'); method[at + 10] = 14; put('zip-lzma', bytes(method))
put('zip-cut', archive(['a.txt', 'b.bin'])[:-30])
put('npy-object', b"\\x93NUMPY\\x01\\x00v\\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }" + b' ' * 40 + b'\\n' + bad)
put('npy-plain', b"\\x93NUMPY\\x01\\x00v\\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + b' ' * 40 + b'\\n' + bytes(4))
`;
beforeAll(() => void execFileSync('python3', ['-c', python, scratch]));

async function codeOf(file: string, as: Partial<ManifestFile> = {}): Promise<string | null> {
  const handle = await open(join(scratch, file));
  try {
    const { size: bytes } = await handle.stat();
    return await codeIn({ path: 'weights.dat', role: 'weights', sha256: '', bytes, ...as }, handle);
  } finally {
    await handle.close();
  }
}

describe('code in a file that is loaded', () => {
  const protocols = [0, 1, 2, 3, 4, 5];
  it.each([
    ...protocols.flatMap((protocol) => [`bad-${protocol}`, `ordered-${protocol}`]),
    ...[2, 3, 4, 5].map((protocol) => `data-${protocol}`),
    'long-0',
    'long-4',
  ])('is found in a pickle that Python wrote (%s), whatever its name and role', async (file) => {
    expect(await codeOf(file)).toBe('a pickle by its content');
    expect(await codeOf(file, { path: 'vocab.txt', role: 'tokenizer' })).toBe('a pickle by its content');
  });

  it.each<[string, RegExp]>([
    ['zlib', /a compressed pickle/],
    ['gzip', /a compressed pickle/],
    ['gzip-bomb', /a compressed pickle/],
    ['bz2', /compressed by bzip2, which cannot be looked into/],
    ['xz', /compressed by xz/],
    ['lzma', /compressed by LZMA/],
    ['tar', /a tar archive/],
    ['popped-mark', /a pickle by its content/],
    ['popped-mark-0', /a pickle by its content/],
    ['long-argument', /may be a pickle by its content/],
    ['long-argument-0', /may be a pickle by its content/],
    ['long-line', /may be a pickle by its content/],
    ['many-opcodes', /may be a pickle by its content/],
    ['long-argument-later', /may be a pickle by its content/],
    ['torch', /a ZIP archive with a pickle/],
    ['torch-late', /a ZIP archive with a pickle/],
    ['torch-behind', /a ZIP archive with a pickle/],
    ['torch-comment', /a ZIP archive with a pickle/],
    ['zip-cut', /a ZIP archive whose directory cannot be read/],
    ['zip-renamed', /member "a.txt" is a pickle by its content/],
    ['zip-deflated', /member "state" is a pickle by its content/],
    ['zip-behind', /member "state" is a pickle by its content/],
    ['npz-object', /member "arr_1.npy" is a NumPy array of objects/],
    ['npz-renamed', /member "arr_1.bin" is a NumPy array of objects/],
    ['zip-first-opcodes', /member "state" is a pickle by its content/],
    ['zip-long-opcodes', /what may be a pickle/],
    ['zip-moved', /member "state" is not where its directory says/],
    ['zip-lzma', /member "state" is packed by method 14/],
    ['npy-object', /NumPy array of objects/],
  ])('is found or not excluded in %s', async (file, words) => {
    expect(await codeOf(file)).toMatch(words);
  });

  it.each(['zip-plain', 'npy-plain', 'data-0'])('is not seen in %s, which has none', async (file) => {
    expect(await codeOf(file)).toBeNull();
  });

  it.each<[string, ManifestFile['role'], string | null]>([
    ['model.pt', 'weights', 'a pickle by its name'],
    ['a/pytorch_model.BIN', 'weights', 'a pickle by its name'],
    ['model.ckpt', 'adapter', 'a pickle by its name'],
    ['scaler.joblib', 'preprocessing', 'a pickle by its name'],
    ['labels.PKL', 'other', 'a pickle by its name'],
    ['vocab.bin', 'tokenizer', null],
    ['model.onnx', 'weights', null],
    ['pickle.json', 'other', null],
  ])('is assumed by the name of %s as %s: %s', async (path, role, expected) => {
    writeFileSync(join(scratch, 'plain'), 'just numbers');
    expect(await codeOf('plain', { path, role })).toBe(expected);
  });

  it('is not seen in text, JSON, safetensors or noise without a mark', () => {
    const texts = fc.lorem({ mode: 'sentences', maxCount: 50 }).map((text) => Buffer.from(text));
    const json = fc.json().map((text) => Buffer.from(text));
    const words = fc.array(fc.string(), { minLength: 2, maxLength: 200 }).map((all) => Buffer.from(all.join('\n')));
    for (const made of [texts, json, words])
      fc.assert(
        fc.property(made, (bytes) => !isPickle(bytes)),
        { numRuns: 300 },
      );
    expect(isPickle(safetensors([1, 2, 3]))).toBe(false);
    expect(isPickle(Buffer.alloc(0))).toBe(false);
  });

  it('is found although the pickle breaks off after its call, as one does that only wants to be opened', async () => {
    for (const protocol of [0, 2, 4]) {
      const whole = readFileSync(join(scratch, `bad-${protocol}`));
      writeFileSync(
        join(scratch, 'broken'),
        Buffer.concat([whole.subarray(0, -1), Buffer.from('\xffbroken', 'latin1')]),
      );
      expect(await codeOf('broken')).toBe('a pickle by its content');
    }
  });

  it('is looked for without a fault in whatever bytes there are', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => typeof isPickle(bytes) === 'boolean'));
    const pickle = readFileSync(join(scratch, 'bad-4'));
    for (let length = 0; length < pickle.length; length++)
      expect(typeof isPickle(pickle.subarray(0, length))).toBe('boolean');
  });
});

describe('a version with a pickle', () => {
  const offer = (): string =>
    writeArtifact(temporaryDirectory('offer'), {
      version: '1.0',
      files: {
        ...artifactFiles('x'),
        'weights.safetensors': { role: 'weights', content: readFileSync(join(scratch, 'bad-4')) },
      },
    });
  const asOnnx = (): string => {
    const files = {
      ...artifactFiles('x'),
      'model.onnx': { role: 'weights', content: readFileSync(join(scratch, 'torch')) },
    };
    return writeArtifact(temporaryDirectory('offer'), { version: '1.0', files });
  };

  it('is refused by default, renamed or not, and the refusal names format, place and remedy', async () => {
    const store = await openDirectoryStore({ directory: temporaryDirectory('store') });
    await expect(store.import(offer())).rejects.toThrow(
      /weights\.safetensors.*safetensors.*found a pickle by its content/,
    );
    await expect(store.import(asOnnx())).rejects.toMatchObject({
      problems: [
        {
          path: 'model.onnx',
          expected: expect.stringContaining('artifacts.allowFormats: [pickle]') as string,
          found: expect.stringContaining('ZIP archive with a pickle') as string,
        },
      ],
    });
  });

  it('is imported with a warning that names it where the host allows pickles, and not loaded once it does not', async () => {
    const directory = temporaryDirectory('store');
    const lax = await openDirectoryStore({ directory, allowedFormats: ['pickle'] });
    const { remarks } = await lax.import(asOnnx());
    expect(remarks).toEqual([
      expect.stringMatching(/^WARNING: allowed by artifacts\.allowFormats.*model\.onnx \(a ZIP/),
    ]);
    await expect(lax.materialise('mail', '1.0')).resolves.toBeDefined();
    const strict = await openDirectoryStore({ directory });
    await expect(strict.materialise('mail', '1.0')).rejects.toThrow(/model\.onnx/);
  });

  it('does not get its structure unchecked by being allowed', async () => {
    const lax = await openDirectoryStore({ directory: temporaryDirectory('store'), allowedFormats: ['pickle'] });
    await expect(lax.import(offer())).rejects.toThrow(/weights\.safetensors: invalid/);
  });
});

describe('the structure of a safetensors file', () => {
  async function problemsOf(content: Buffer): Promise<number> {
    const file = join(scratch, 'st');
    writeFileSync(file, content);
    const handle = await open(file);
    try {
      return (await safetensorsProblems('w', handle, content.length)).length;
    } finally {
      await handle.close();
    }
  }
  const withHeader = (text: string, data = 8): Buffer => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
    return Buffer.concat([length, Buffer.from(text), Buffer.alloc(data)]);
  };
  const one = (entry: object): string =>
    JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...entry } });

  const dtypes = fc.constantFrom(['F32', 4], ['F16', 2], ['U8', 1], ['I64', 8]) as fc.Arbitrary<[string, number]>;
  const shapes = fc.array(fc.nat(4), { maxLength: 3 });
  const tensorLists = fc.array(fc.tuple(dtypes, shapes), { minLength: 1, maxLength: 6 });
  function written(tensors: readonly (readonly [[string, number], number[]])[]) {
    const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = {};
    let at = 0;
    tensors.forEach(([[dtype, bytes], shape], index) => {
      const size = shape.reduce((product, side) => product * side, bytes);
      header[`t${index}`] = { dtype, shape, data_offsets: [at, at + size] };
      at += size;
    });
    return { header, bytes: at };
  }

  it('is right for everything that a writer makes, in whatever order and with padding', async () => {
    await fc.assert(
      fc.asyncProperty(tensorLists, fc.boolean(), fc.nat(7), async (tensors, reversed, padding) => {
        const { header, bytes } = written(tensors);
        const entries = Object.entries({ __metadata__: { format: 'pt' }, ...header });
        const text = JSON.stringify(Object.fromEntries(reversed ? entries.reverse() : entries)) + ' '.repeat(padding);
        expect(await problemsOf(withHeader(text, bytes))).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('is wrong as soon as one offset, one side, the length of the data or the header moves by one', async () => {
    const moves = fc.constantFrom('from', 'to', 'shape', 'data', 'header') as fc.Arbitrary<string>;
    await fc.assert(
      fc.asyncProperty(tensorLists, moves, fc.nat(), fc.constantFrom(-1, 1), async (tensors, move, pick, by) => {
        const { header, bytes } = written(tensors);
        const names = Object.keys(header);
        const tensor = header[names[pick % names.length] ?? ''];
        if (tensor === undefined) return;
        const scalarOrEmpty = tensor.shape.length === 0 || tensor.shape.includes(0);
        if (move === 'shape' && scalarOrEmpty) return;
        if (move === 'from') tensor.data_offsets[0] += by;
        if (move === 'to') tensor.data_offsets[1] += by;
        if (move === 'shape') tensor.shape[0] = (tensor.shape[0] ?? 0) + by;
        const file = withHeader(JSON.stringify(header), bytes);
        if (move === 'header') file.writeBigUInt64LE(file.readBigUInt64LE() + BigInt(by));
        const changed =
          move === 'data' ? (by > 0 ? Buffer.concat([file, Buffer.alloc(1)]) : file.subarray(0, -1)) : file;
        expect(await problemsOf(changed)).toBeGreaterThan(0);
      }),
      { numRuns: 120 },
    );
  });

  it.each([
    ['white space before the header', ` ${one({})}`],
    ['a key twice', one({}).replace('{"w"', '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w"')],
    ['another type', one({ dtype: 'F31' })],
    ['a negative offset', one({ data_offsets: [-8, 0] })],
    ['half an offset', one({ data_offsets: [0, 7.5] })],
    ['an offset beyond 2^53', one({ data_offsets: [0, 2 ** 60] })],
    ['a shape whose size overflows', one({ shape: [2 ** 40, 2 ** 40], data_offsets: [0, 8] })],
    ['sides that cancel out', one({ shape: [-1, -2] })],
    ['a type in no object', '{"w":1}'],
    ['metadata that are no strings', `{"__metadata__":{"a":1},${one({}).slice(1)}`],
    ['an unknown key', one({ run: 'x' })],
    ['a list', '[]'],
    ['half a byte', JSON.stringify({ w: { dtype: 'F4', shape: [1], data_offsets: [0, 0] } })],
  ])('is refused for %s', async (_what, text) => {
    expect(await problemsOf(withHeader(text))).toBe(1);
  });

  it('is refused for a header of 17 MB without reading it, and for one longer than the file', async () => {
    const file = join(scratch, 'big');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(17_000_000n);
    writeFileSync(file, length);
    truncateSync(file, 20_000_000);
    const handle = await open(file);
    const [problem] = await safetensorsProblems('w', handle, 20_000_000);
    await handle.close();
    expect(problem?.expected).toBe('a header of at most 16777216 bytes');
  });
});

describe('JSON of an artifact', () => {
  it.each(['['.repeat(2_000_000), '{"a":'.repeat(300_000), `${'['.repeat(201)}${']'.repeat(201)}`, '"\\'])(
    'that is nested without end or cut off is refused at once (%#)',
    (text) => {
      const began = performance.now();
      expect(() => parseStrictJson(Buffer.from(text))).toThrow(JsonRefused);
      expect(performance.now() - began).toBeLessThan(5_000);
    },
  );

  it('means what JSON.parse says it means, brackets in texts included', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        if (text.includes('__proto__')) return;
        expect(parseStrictJson(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
    expect(parseStrictJson(Buffer.from(JSON.stringify({ a: '[{"\\'.repeat(500) })))).toEqual({
      a: '[{"\\'.repeat(500),
    });
  });
});

describe('names in an artifact', () => {
  const offered = (path: string): string => {
    const directory = writeArtifact(temporaryDirectory('offer'), {
      version: '1.0',
      files: { ...artifactFiles('x'), [path]: { role: 'other', content: 'x' } },
    });
    return directory;
  };

  it.each<[string, string]>([
    ['tоkenizer.json', 'more than case or look'],
    ['TOKENIZER.JSON', 'more than case or look'],
    ['ｔokenizer.json', 'more than case or look'],
    ['mаnifest.json', 'the manifest and its signature'],
    ['Model.sig', 'the manifest and its signature'],
    ['safe\u202Enosj.bin', 'invisible'],
    ['token\u200Bizer.json', 'invisible'],
    ['a\u0000b'.replace('\u0000', '\u0085'), 'invisible'],
  ])('that look like another one are refused: %j', async (path, expected) => {
    const store = await openDirectoryStore({ directory: temporaryDirectory('store') });
    const refused = (await store.import(offered(path)).catch((error: unknown) => error)) as {
      problems: { expected: string }[];
    };
    expect(refused.problems.map((problem) => problem.expected).join()).toContain(expected);
  });

  it('in another script are taken where nothing else looks like them', async () => {
    const store = await openDirectoryStore({ directory: temporaryDirectory('store') });
    await expect(store.import(offered('модель/словарь.txt'))).resolves.toMatchObject({ outcome: 'imported' });
  });

  it('in folders deeper than anybody reads are a problem and not passed over', async () => {
    const directory = offered('a.txt');
    const deep = join(directory, ...Array.from({ length: 25 }, () => 'd'));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, 'x'), 'x');
    const store = await openDirectoryStore({ directory: temporaryDirectory('store') });
    await expect(store.import(directory)).rejects.toThrow(/at most 20 folders/);
  });
});
