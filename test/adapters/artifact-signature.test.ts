import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { validateArtifact } from '../../activities/validate-artifact';
import { openDirectoryStore, type DirectoryStore } from '../../adapters/artifacts/directory-store';
import { verifyBundle } from '../../adapters/artifacts/signature/bundle';
import { readSigningKey, type SigningKey } from '../../adapters/artifacts/signature/keys';
import { artifactFiles, writeArtifact } from '../support/artifact-directory';
import {
  describeSigning,
  keyPair,
  signDirectory,
  signDirectoryBy,
  toolVerifies,
  type KeyPair,
} from '../support/model-signing';
import { removeTemporary, temporaryDirectory } from '../support/temporary';
import { MockActivityEnvironment } from '@temporalio/testing';

afterAll(removeTemporary);
// Python starts slowly on a busy machine.
jest.setTimeout(120_000);

const keys = temporaryDirectory('keys');
const release = keyPair(keys, 'release');
const foreign = keyPair(keys, 'foreign');

type Policy = 'off' | 'warn' | 'refuse';

async function storeWith(policy: Policy, trusted: readonly KeyPair[] = [release]) {
  const root = temporaryDirectory('store');
  return { root, store: await reopened(root, policy, trusted) };
}

async function reopened(directory: string, policy: Policy, trusted: readonly KeyPair[]): Promise<DirectoryStore> {
  return await openDirectoryStore({ directory, signature: { policy, keys: trusted.map(({ key }) => key) } });
}

const offer = (version = '1.0', files = artifactFiles('x')): string =>
  writeArtifact(temporaryDirectory('offer'), { version, files });

const made = new Map<KeyPair, string>();

/** A copy of what the tool signed once with that key: each run of the tool is a Python to start. */
function signed(key = release): string {
  const original = made.get(key) ?? offer();
  if (!made.has(key)) signDirectory(original, key);
  made.set(key, original);
  const copy = temporaryDirectory('signed');
  cpSync(original, copy, { recursive: true });
  return copy;
}

const refusal = async (importing: Promise<unknown>): Promise<unknown> =>
  await importing.then(
    () => 'imported',
    (error: unknown) => (error as { problems?: unknown }).problems ?? error,
  );

describeSigning('artifacts signed by the tool of OpenSSF Model Signing')(
  'an artifact signed by the tool of OpenSSF Model Signing',
  () => {
    it('is imported, says who signed it, is verified again at each load, and has the digest that it has unsigned', async () => {
      const { root, store } = await storeWith('refuse');
      const directory = signed();
      expect(toolVerifies(directory, release)).toBe(true);
      const { info, remarks } = await store.import(directory);
      const words = `signed by release.pub (${release.key.fingerprint.slice(0, 12)}…)`;
      expect(remarks).toContain(words);
      expect(await store.audit('mail')).toMatchObject([{ version: '1.0', problems: [], remarks: [words] }]);
      const { directory: loaded } = await store.materialise('mail', '1.0');
      expect(existsSync(join(loaded, 'model.sig'))).toBe(false);
      const unsigned = await (await storeWith('off')).store.import(offer());
      expect(unsigned.info.digest).toBe(info.digest);
      // The key is taken out of the configuration: what it signed is not loaded any more.
      const later = await reopened(root, 'refuse', [foreign]);
      await expect(later.materialise('mail', '1.0')).rejects.toThrow(/signature by foreign\.pub/);
    });

    it('is named with its signer in the note of the validation, which goes into the ledger', async () => {
      const { store } = await storeWith('refuse');
      const { info } = await store.import(signed());
      const validate = validateArtifact({ artifacts: store });
      const input = { service: 'mail', version: '1.0', digest: info.digest };
      const outcome = await new MockActivityEnvironment().run(validate, input);
      expect(outcome).toMatchObject({
        ok: true,
        note: expect.stringMatching(/^every file is what its manifest says; signed by release\.pub/) as string,
      });
    });

    it.each(['P-384', 'P-521'])('with a key on %s is verified with its hash', async (curve) => {
      const pair = keyPair(temporaryDirectory('keys'), 'big', curve);
      const { store } = await storeWith('refuse', [release, pair]);
      await expect(store.import(signed(pair))).resolves.toMatchObject({ outcome: 'imported' });
    });

    it.each([
      ['BLAKE2b over files', "use_file_serialization(hashing_algorithm='blake2')"],
      ['SHA-256 over shards', 'use_shard_serialization(shard_size=1000000)'],
      ['BLAKE2b over shards', "use_shard_serialization(hashing_algorithm='blake2', shard_size=1000000)"],
    ])('by %s is verified through its manifest', async (_what, use) => {
      const directory = offer();
      signDirectoryBy(directory, release, use);
      const { store } = await storeWith('refuse');
      await expect(store.import(directory)).resolves.toMatchObject({ outcome: 'imported' });
    });

    it('by a hash that Node does not have is refused, and says that it must be signed again', async () => {
      const directory = offer();
      signDirectoryBy(directory, release, "use_file_serialization(hashing_algorithm='blake3')");
      const { store } = await storeWith('refuse');
      expect(await refusal(store.import(directory))).toMatchObject([
        { path: 'model.sig', found: 'blake3, which cannot be checked here: sign it again' },
      ]);
    });

    const wrong: [string, () => string, RegExp, RegExp][] = [
      ['nobody', offer, /a signature by release\.pub/, /nothing/],
      ['a foreign key', () => signed(foreign), /by release\.pub/, /by another key \(SHA-256 of its PEM [0-9a-f]{64}\)/],
      [
        'the right key, but over other files',
        () => {
          const other = signed();
          const directory = offer('1.0', artifactFiles('y'));
          cpSync(join(other, 'model.sig'), join(directory, 'model.sig'));
          return directory;
        },
        /manifest\.json with sha256/,
        /^[0-9a-f]{64}$/,
      ],
      [
        'the right key, but without the manifest',
        () => {
          const directory = offer();
          signDirectory(directory, release, ['--ignore-paths', join(directory, 'manifest.json')]);
          return directory;
        },
        /over manifest\.json too/,
        /other files only/,
      ],
      [
        'the right key over a file that is not there',
        () => {
          const directory = offer();
          writeFileSync(join(directory, 'gone.txt'), 'x');
          signDirectory(directory, release);
          rmSync(join(directory, 'gone.txt'));
          return directory;
        },
        /the signed file gone\.txt/,
        /none in the manifest/,
      ],
      [
        'a signature that was changed',
        () =>
          changed((text) =>
            text.replace(/"sig":\s*"(.{10})./, (whole, start: string) =>
              whole.endsWith('A') ? whole.slice(0, -1) + 'B' : `"sig": "${start}A`,
            ),
          ),
        /by release\.pub/,
        /claims to be by release\.pub and is not/,
      ],
      ['a signature that is no JSON', () => changed(() => 'x'), /JSON/, /./],
      [
        'a signature with a key twice',
        () => changed((text) => text.replace('{', '{"mediaType":"x",')),
        /JSON/,
        /twice/,
      ],
      ['a signature of 5 MB', () => changed((text) => text + ' '.repeat(5_000_000)), /JSON/, /./],
    ];

    function changed(change: (text: string) => string): string {
      const directory = signed();
      const file = join(directory, 'model.sig');
      writeFileSync(file, change(readFileSync(file, 'utf8')));
      return directory;
    }

    it.each(wrong)(
      'by %s is refused, and with a warning let in where the policy says so',
      async (_what, make, expected, found) => {
        const directory = make();
        const { store, root } = await storeWith('refuse');
        const problem = {
          path: 'model.sig',
          expected: expect.stringMatching(expected) as string,
          found: expect.stringMatching(found) as string,
        };
        expect(await refusal(store.import(directory, { dryRun: true }))).toMatchObject([problem]);
        expect(await refusal(store.import(directory))).toMatchObject([problem]);
        expect(await store.list('mail')).toEqual([]);
        expect(existsSync(join(root, 'signatures'))).toBe(false);
        const warned = await (await storeWith('warn')).store.import(directory);
        expect(warned.remarks[0]).toMatch(/^WARNING: (not signed|its signature is not good)/);
      },
    );

    it('keeps its good signature when it is offered again without one, and gets one when it is offered with', async () => {
      const { root, store } = await storeWith('off');
      await store.import(offer());
      const strict = await reopened(root, 'refuse', [release]);
      expect(await strict.verify('mail', '1.0')).toMatchObject([{ path: 'model.sig', problem: 'missing' }]);
      expect(await refusal(strict.import(offer()))).toMatchObject([{ path: 'model.sig', problem: 'missing' }]);
      expect((await strict.import(signed())).outcome).toBe('already-there');
      expect(await strict.verify('mail', '1.0')).toEqual([]);
      await expect(strict.import(signed(foreign))).resolves.toMatchObject({ outcome: 'already-there' });
      expect(await strict.verify('mail', '1.0')).toEqual([]);
    });

    it('is not loaded once its stored signature was taken away or exchanged', async () => {
      const { root, store } = await storeWith('refuse');
      const { info } = await store.import(signed());
      const file = join(root, 'signatures', info.digest.slice(7));
      writeFileSync(file, readFileSync(join(signed(foreign), 'model.sig')));
      await expect(store.materialise('mail', '1.0')).rejects.toThrow(/another key/);
      rmSync(file);
      await expect(store.materialise('mail', '1.0')).rejects.toThrow(/model\.sig: missing/);
    });
  },
);

/** A bundle as the tool writes it, for statements that the tool never would. */
function bundle(
  statement: unknown,
  key: KeyObject,
  change: (made: Record<string, unknown>) => unknown = (made) => made,
): Buffer {
  const type = 'application/vnd.in-toto+json';
  const payload = Buffer.from(typeof statement === 'string' ? statement : JSON.stringify(statement));
  const signer = createSign('sha256').update(`DSSEv1 ${type.length} ${type} ${payload.length} `).update(payload);
  const made = {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: '' }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: type,
      signatures: [{ sig: signer.sign(key).toString('base64'), keyid: '' }],
    },
  };
  return Buffer.from(JSON.stringify(change(made)));
}

describe('a bundle', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const trusted = [readSigningKey('k.pub', publicKey.export({ type: 'spki', format: 'pem' }).toString())];
  const good = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'm', digest: { sha256: '00' } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: {
      serialization: { method: 'files', hash_type: 'sha256' },
      resources: [{ name: 'a', algorithm: 'sha256', digest: '00' }],
    },
  };

  it('made as the tool makes it is taken', () => {
    expect(verifyBundle(bundle(good, privateKey), trusted)).toMatchObject({ value: { by: { name: 'k.pub' } } });
  });

  it.each<[string, unknown, ((made: Record<string, unknown>) => unknown) | null]>([
    ['another kind of statement', { ...good, _type: 'https://in-toto.io/Statement/v0.1' }, null],
    ['another predicate', { ...good, predicateType: 'https://model_signing/Digests/v0.1' }, null],
    ['two subjects', { ...good, subject: [...good.subject, ...good.subject] }, null],
    ['no resources', { ...good, predicate: { ...good.predicate, resources: [] } }, null],
    ['a statement with a key twice', JSON.stringify(good).replace('{', '{"_type":"x",'), null],
    ['a certificate', good, (made) => ({ ...made, verificationMaterial: { x509CertificateChain: {} } })],
    ['another media type', good, (made) => ({ ...made, mediaType: 'application/json' })],
    [
      'no signature',
      good,
      (made) => ({ ...made, dsseEnvelope: { ...(made['dsseEnvelope'] as object), signatures: [] } }),
    ],
    [
      'another payload type',
      good,
      (made) => ({ ...made, dsseEnvelope: { ...(made['dsseEnvelope'] as object), payloadType: 'text/plain' } }),
    ],
    [
      'a broken signature',
      good,
      (made) => ({ ...made, dsseEnvelope: { ...(made['dsseEnvelope'] as object), signatures: [{ sig: 'AAAA' }] } }),
    ],
  ])('with %s is refused in words', (_what, statement, change) => {
    expect(verifyBundle(bundle(statement, privateKey, change ?? undefined), trusted)).toMatchObject({
      problem: { expected: expect.stringMatching(/./) as string, found: expect.stringMatching(/./) as string },
    });
  });

  it('is never taken with one byte changed, and never throws', () => {
    const bytes = bundle(good, privateKey);
    const { dsseEnvelope } = JSON.parse(bytes.toString()) as { dsseEnvelope: { payload: string } };
    const text = bytes.toString();
    const from = text.indexOf(dsseEnvelope.payload);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const broken = Buffer.from(bytes);
        broken[at] = (broken[at] ?? 0) ^ flip;
        const verified = verifyBundle(broken, trusted);
        // Outside payload and signature nothing is signed: the hint, white space. Inside the payload every byte is.
        if (at >= from && at < from + dsseEnvelope.payload.length && 'value' in verified) {
          const again = JSON.parse(broken.toString()) as { dsseEnvelope: { payload: string } };
          const payloads = [again, { dsseEnvelope }].map((one) => Buffer.from(one.dsseEnvelope.payload, 'base64'));
          expect(payloads[0]).toEqual(payloads[1]);
        }
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => 'problem' in verifyBundle(noise, trusted)));
  });
});

describe('a key', () => {
  const pem = (make: () => { publicKey: KeyObject }): string =>
    make().publicKey.export({ type: 'spki', format: 'pem' }).toString();
  it.each<[string, () => string, RegExp]>([
    [
      'RSA',
      () => pem(() => generateKeyPairSync('rsa', { modulusLength: 2048 })),
      /found rsa, expected a public key in PEM, ECDSA/,
    ],
    ['Ed25519', () => pem(() => generateKeyPairSync('ed25519')), /found ed25519/],
    ['on another curve', () => pem(() => generateKeyPairSync('ec', { namedCurve: 'secp256k1' })), /found ec secp256k1/],
    [
      'that is private',
      () => readFileSync(release.privateFile, 'utf8'),
      /found a private key.*remove it from this host/,
    ],
    ['that is none', () => 'hello', /expected a public key in PEM/],
  ])('%s is refused with what was found and expected', (_what, make, message) => {
    const read = (): SigningKey => readSigningKey('k.pub', make());
    expect(read).toThrow(message);
    expect(read).toThrow(/^k\.pub: /);
  });
});
