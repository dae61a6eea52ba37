import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { openDirectoryStore } from '../../adapters/artifacts/directory-store';
import { isPickle, mayBePickle } from '../../adapters/artifacts/formats/pickle';
import { verifyBundle } from '../../adapters/artifacts/signature/bundle';
import { parseStrictJson } from '../../adapters/artifacts/strict-json';
import { hostileJsonText, hostileText, mangled, mutated } from './hostile';
import { crash, refusedOrDone, surface, type SurfacePlan } from './surface';

function safetensors(header?: unknown): Buffer {
  const json = Buffer.from(
    JSON.stringify(header ?? { __metadata__: { a: 'b' }, w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(8)]);
}

/** `torch.save` writes such archives; this one has one stored member. */
function zip(): Buffer {
  const name = Buffer.from('archive/data.pkl');
  const data = Buffer.from('\x80\x02}q\x00.', 'latin1');
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(name.length, 26);
  local.writeUInt32LE(data.length, 18);
  local.writeUInt32LE(data.length, 22);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt32LE(data.length, 20);
  central.writeUInt32LE(data.length, 24);
  central.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(30 + name.length + data.length, 16);
  return Buffer.concat([local, name, data, central, name, end]);
}

const evaluation = {
  schema: 1,
  classes: ['ham', 'spam'],
  accuracy: 0.9,
  n: 200,
  byClass: { ham: { n: 100, recall: 0.95, precision: 0.86 }, spam: { n: 100, recall: 0.85, precision: 0.94 } },
  bySource: {},
  evaluatedAt: '2026-01-02T00:00:00Z',
  dataDigest: 'sha256:00',
};
const probes = {
  schema: 1,
  probes: [{ id: 'p1', request: { text: 'win' }, expect: { output: 'label', value: 'spam', tolerance: 0.1 } }],
};
const profile = { schema: 1, lengths: [1, 2], inputProfile: { n: 10 } };
const numpy = Buffer.concat([
  Buffer.from("\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 'latin1'),
  Buffer.alloc(40, 32),
]);
const pickle = Buffer.from('\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x8c\x06system\x93.', 'latin1');
const contents: Readonly<Record<string, { readonly role: string; readonly good: Buffer }>> = {
  'evaluation.json': { role: 'evaluation', good: Buffer.from(JSON.stringify(evaluation)) },
  'probes.json': { role: 'probes', good: Buffer.from(JSON.stringify(probes)) },
  'profile.json': { role: 'profile', good: Buffer.from(JSON.stringify(profile)) },
  'tokenizer.json': { role: 'tokenizer', good: Buffer.from('{"lowercase":true}') },
  'weights.safetensors': { role: 'weights', good: safetensors() },
  'adapter/model.bin': { role: 'adapter', good: Buffer.from('GGUF') },
};

interface Offered {
  /** Instead of the good one. */
  readonly file: string;
  readonly content: Buffer;
  readonly manifest: unknown;
  readonly signature: Buffer | null;
  readonly listed: boolean;
}

const manifest = (files: Readonly<Record<string, Buffer>>): Record<string, unknown> => ({
  ...{
    schema: 1,
    service: 'mail',
    version: '1.0',
    createdAt: '2026-01-01T00:00:00Z',
    engine: 'open-inference',
    model: 'mail',
  },
  files: Object.entries(files).map(([path, bytes]) => ({
    path,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    role: contents[path]?.role ?? 'other',
  })),
  preprocessing: { version: '2' },
  external: [{ name: 'features', address: 'http://features.internal', version: '7' }],
});

const good = (): Record<string, Buffer> =>
  Object.fromEntries(Object.entries(contents).map(([path, one]) => [path, one.good]));
const bundle = {
  mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
  verificationMaterial: { publicKey: { hint: 'x' } },
  dsseEnvelope: {
    payload: Buffer.from(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ name: 'x', digest: { sha256: '00' } }],
        predicateType: 'https://model_signing/signature/v1.0',
        predicate: { resources: [] },
      }),
    ).toString('base64'),
    payloadType: 'application/vnd.in-toto+json',
    signatures: [{ sig: 'AAAA', keyid: '' }],
  },
};

const bytesOf = (path: string): fc.Arbitrary<Buffer> => {
  const json = path.endsWith('.json');
  const one = contents[path]?.good ?? Buffer.alloc(0);
  return fc.oneof(
    { weight: 3, arbitrary: mangled([one, ...(json ? [] : [safetensors(), zip(), numpy, pickle])]) },
    {
      weight: 3,
      arbitrary: json
        ? hostileJsonText([JSON.parse(one.toString())])
        : mutated([{ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }]).map(safetensors),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  );
};

const offered: fc.Arbitrary<Offered> = fc.constantFrom(...Object.keys(contents)).chain((file) =>
  fc.record({
    file: fc.oneof(
      { weight: 8, arbitrary: fc.constant(file) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'x.pt',
          'x.npz',
          'x.zip',
          'x.gz',
          'x.pkl',
          'weights.bin',
          'constructor',
          '__proto__',
        ),
      },
    ),
    content: bytesOf(file),
    manifest: fc.oneof(
      { weight: 3, arbitrary: fc.constant(null) },
      { weight: 2, arbitrary: mutated([manifest(good())]) },
      { weight: 1, arbitrary: hostileJsonText([manifest(good())]) },
    ),
    signature: fc.oneof(
      { weight: 4, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: hostileJsonText([bundle]) },
    ),
    listed: fc.boolean(),
  }),
);

/** Artifact directories: taken whole, or refused with the place, and nothing half is left in the store. */
const importPlan: SurfacePlan = {
  name: 'artifacts.import',
  weight: 12,
  open: async () => {
    const root = mkdtempSync(join(tmpdir(), 'lastgood-artifacts-'));
    const store = await openDirectoryStore({
      directory: join(root, 'store'),
      limits: { fileBytes: 1 << 20, totalBytes: 1 << 22 },
    });
    const from = join(root, 'offered');
    return surface({
      name: 'artifacts.import',
      inputs: offered,
      meet: async ({ file, content, manifest: said, signature, listed }) => {
        rmSync(from, { recursive: true, force: true });
        const files = { ...good(), [file]: content };
        for (const [path, bytes] of Object.entries(files)) {
          mkdirSync(dirname(join(from, path)), { recursive: true });
          writeFileSync(join(from, path), bytes);
        }
        const written = said ?? manifest(listed ? files : good());
        writeFileSync(join(from, 'manifest.json'), Buffer.isBuffer(written) ? written : JSON.stringify(written));
        if (signature !== null) writeFileSync(join(from, 'model.sig'), signature);
        const harm = await refusedOrDone(() => store.import(from));
        if (harm !== null) return harm;
        const left = readdirSync(join(root, 'store', 'staging'));
        if (left.length > 0) return crash(`the staging directory has ${left.join(', ')}`);
        const outside = readdirSync(root).filter((name) => name !== 'store' && name !== 'offered');
        if (outside.length > 0) return crash(`outside of the store: ${outside.join(', ')}`);
        return await refusedOrDone(() => store.list('mail'));
      },
      close: () => Promise.resolve(rmSync(root, { recursive: true, force: true })),
    });
  },
};

const bytesPlan: SurfacePlan = {
  name: 'artifacts.bytes',
  weight: 6,
  open: () =>
    Promise.resolve(
      surface<Buffer>({
        name: 'artifacts.bytes',
        inputs: fc.oneof(
          { weight: 3, arbitrary: mangled([zip(), numpy, pickle, safetensors()]) },
          { weight: 2, arbitrary: hostileJsonText([bundle, manifest(good()), evaluation]) },
          { weight: 1, arbitrary: hostileText.map((text) => Buffer.from(text)) },
          { weight: 1, arbitrary: fc.integer({ min: 1, max: 200_000 }).map((n) => Buffer.from('['.repeat(n))) },
        ),
        meet: async (bytes) =>
          (await refusedOrDone(() => isPickle(bytes) && mayBePickle(bytes, bytes.length))) ??
          (await refusedOrDone(() => parseStrictJson(bytes))) ??
          (await refusedOrDone(() => verifyBundle(bytes, []))),
        close: () => Promise.resolve(),
      }),
    ),
};

export const artifactPlans: readonly SurfacePlan[] = [importPlan, bytesPlan];
