import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { openDirectoryStore, type DirectoryStore } from '../../adapters/artifacts/directory-store';
import { ArtifactCorrupt, ArtifactRefused } from '../../adapters/artifacts/errors';
import { writeArtifact, artifactFiles, safetensors, type ArtifactSpec } from '../support/artifact-directory';
import { artifactStoreContract } from '../support/contracts/artifact-store';
import { FakeArtifactStore } from '../support/fakes/artifact-store';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

/** Every path below a directory with its content: two equal snapshots are the same world. */
function snapshot(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    found[path.slice(root.length)] = entry.isFile() ? readFileSync(path, 'base64') : 'folder';
  }
  return found;
}

function damageObject(root: string, version: string, path: string, change: (file: string) => void): void {
  const record = JSON.parse(readFileSync(join(root, 'services', 'mail', `${version}.json`), 'utf8')) as {
    digest: string;
  };
  const file = join(root, 'objects', record.digest.slice(7), path);
  chmodSync(join(file, '..'), 0o755);
  change(file);
}

async function newStore(limits?: {
  fileBytes?: number;
  totalBytes?: number;
}): Promise<{ root: string; store: DirectoryStore }> {
  const root = temporaryDirectory('store');
  return { root, store: await openDirectoryStore({ directory: root, ...(limits ? { limits } : {}) }) };
}

function offer(spec: Partial<ArtifactSpec> = {}): string {
  return writeArtifact(temporaryDirectory('offer'), { version: '1.0', ...spec });
}

describe('the data profile of a version', () => {
  const inputProfile = {
    inputs: 300,
    unreadable: 0,
    fields: {
      age: {
        present: 300,
        redacted: 0,
        kinds: { number: 300 },
        numbers: { min: 18, max: 90, histogram: { edges: [40], counts: [150, 150] } },
        categories: null,
      },
    },
  };
  const withProfile = (profile: unknown): Record<string, ReturnType<typeof artifactFiles>[string]> => ({
    ...artifactFiles('1.0'),
    'profile.json': { role: 'profile', content: JSON.stringify(profile) },
  });

  it('says what the inputs looked like, where it has that part; other parts are left to people', async () => {
    const { store } = await newStore();
    await store.import(offer({ files: withProfile({ schema: 1, lengths: [1], inputProfile }) }));
    expect(await store.inputProfile('mail', '1.0')).toEqual(inputProfile);
    expect(await store.inputProfile('mail', '9.9')).toBeNull();
    const other = await newStore();
    await other.store.import(offer());
    expect(await other.store.inputProfile('mail', '1.0')).toBeNull();
  });

  it('is refused with the place where that part is not what it should be', async () => {
    const { store } = await newStore();
    const wrong = { ...inputProfile, fields: { age: { ...inputProfile.fields.age, present: 'all' } } };
    const refused = store.import(offer({ files: withProfile({ schema: 1, inputProfile: wrong }) }));
    await expect(refused).rejects.toMatchObject({
      problems: [{ path: 'profile.json#inputProfile.fields.age.present', found: '"all"' }],
    });
  });

  it('that was changed in the store is not read', async () => {
    const { root, store } = await newStore();
    await store.import(offer({ files: withProfile({ schema: 1, inputProfile }) }));
    damageObject(root, '1.0', 'profile.json', (file) => {
      chmodSync(file, 0o644);
      writeFileSync(file, '{"schema":1,"inputProfile":{}}');
    });
    await expect(store.inputProfile('mail', '1.0')).rejects.toThrow(ArtifactCorrupt);
  });
});

artifactStoreContract('the fake store', () => {
  const store = new FakeArtifactStore();
  let imports = 0;
  return Promise.resolve({
    store,
    add: (service, version) => {
      const byClass = { spam: { n: 100, recall: 0.85, precision: 0.94 } };
      const digest = `sha256:${String(++imports).padStart(64, '0')}`;
      store.put(
        service,
        {
          version,
          digest,
          createdAt: 0,
          importedAt: imports,
          engine: 'open-inference',
          model: 'mail',
          evaluation: { accuracy: 0.9, n: 200, byClass },
          probes: 1,
          external: [],
          bytes: 10,
        },
        [{ id: 'p1', request: { text: 'win money' }, expect: { output: 'label', value: 'spam' } }],
      );
      return Promise.resolve();
    },
    damage: (service, version) => {
      store.damage(service, version, { path: 'weights', problem: 'changed', expected: 'a', found: 'b' });
      return Promise.resolve();
    },
    notes: () => Promise.resolve(store.annotations),
  });
});

artifactStoreContract('the directory store', async () => {
  const { root, store } = await newStore();
  return {
    store,
    add: async (service, version) => {
      await store.import(offer({ service, version }));
    },
    damage: (service, version) => {
      expect(service).toBe('mail');
      damageObject(root, version, 'weights.safetensors', (file) => {
        chmodSync(file, 0o644);
        const bytes = readFileSync(file);
        bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
        writeFileSync(file, bytes);
      });
      return Promise.resolve();
    },
    notes: (service, version) => store.notes(service, version),
  };
});

describe('an import', () => {
  it('keeps its own read-only copy: the source may change or vanish afterwards', async () => {
    const { store } = await newStore();
    const source = offer();
    const { info } = await store.import(source);
    rmSync(source, { recursive: true });
    expect(await store.verify('mail', '1.0')).toEqual([]);
    const { directory } = await store.materialise('mail', '1.0');
    expect(statSync(join(directory, 'weights.safetensors')).mode & 0o777).toBe(0o444);
    expect(statSync(join(directory, 'adapter')).mode & 0o777).toBe(0o555);
    expect(directory.endsWith(info.digest.slice(7))).toBe(true);
  });

  it('of the same content again changes nothing, wherever it comes from and however its manifest is laid out', async () => {
    const { root, store } = await newStore();
    await store.import(offer());
    const before = snapshot(root);
    const other = offer({
      manifest: (manifest) => JSON.stringify(Object.fromEntries(Object.entries(manifest).reverse()), null, 4),
    });
    expect((await store.import(other)).outcome).toBe('already-there');
    expect(snapshot(root)).toEqual(before);
  });

  it('under a known version name with other content is refused, and the store is as before', async () => {
    const { root, store } = await newStore();
    await store.import(offer());
    const before = snapshot(root);
    const other = offer({ files: artifactFiles('other') });
    await expect(store.import(other)).rejects.toThrow(/never changes its content/);
    expect(snapshot(root)).toEqual(before);
  });

  it('of the right content repairs a stored copy that was damaged', async () => {
    const { root, store } = await newStore();
    const source = offer();
    await store.import(source);
    damageObject(root, '1.0', 'tokenizer.json', (file) => rmSync(file));
    expect((await store.verify('mail', '1.0')).map((problem) => problem.problem)).toEqual(['missing']);
    expect((await store.import(source)).outcome).toBe('repaired');
    expect(await store.verify('mail', '1.0')).toEqual([]);
  });

  it('run eight times at once is one import', async () => {
    const { store } = await newStore();
    const source = offer();
    const results = await Promise.all(Array.from({ length: 8 }, () => store.import(source)));
    expect(results.filter((result) => result.outcome === 'imported')).toHaveLength(1);
    expect(await store.list('mail')).toHaveLength(1);
  });
});

type Offered = { title: string; prepare: () => string; at: string; problem: string; limits?: { fileBytes?: number } };

function tampered(change: (directory: string) => void, spec: Partial<ArtifactSpec> = {}): () => string {
  return () => {
    const directory = offer(spec);
    change(directory);
    return directory;
  };
}
/** An artifact whose manifest names one more file under the given path. */
function alsoNamed(path: string, place: (directory: string) => void = () => undefined): () => string {
  return tampered(place, {
    manifest: (manifest) => {
      const files = [...(manifest['files'] as { path: string }[])];
      files.push({ path, sha256: '0'.repeat(64), bytes: 1, role: 'other' } as { path: string });
      files.sort((left, right) => (left.path < right.path ? -1 : 1));
      return { ...manifest, files };
    },
  });
}
const weights = (content: Buffer): (() => string) =>
  tampered(() => undefined, { files: { ...artifactFiles('x'), 'weights.safetensors': { role: 'weights', content } } });
const report = (path: string, role: string, content: string): (() => string) =>
  tampered(() => undefined, { files: { ...artifactFiles('x'), [path]: { role, content } } });
const manifestText = (text: string): (() => string) =>
  tampered((directory) => writeFileSync(join(directory, 'manifest.json'), text));
const F32 = (from: number, to: number, shape: number[]): unknown => ({ dtype: 'F32', shape, data_offsets: [from, to] });

const bad: Offered[] = [
  {
    title: 'an extra file',
    prepare: tampered((d) => writeFileSync(join(d, 'extra.bin'), 'x')),
    at: 'extra.bin',
    problem: 'extra',
  },
  {
    title: 'an extra file in a new folder',
    prepare: tampered((d) => {
      mkdirSync(join(d, 'n'));
      writeFileSync(join(d, 'n/e'), '');
    }),
    at: 'n/e',
    problem: 'extra',
  },
  {
    title: 'a missing file',
    prepare: tampered((d) => rmSync(join(d, 'tokenizer.json'))),
    at: 'tokenizer.json',
    problem: 'missing',
  },
  {
    title: 'a flipped bit',
    prepare: tampered((d) => {
      const f = join(d, 'tokenizer.json');
      const b = readFileSync(f);
      b[3] = (b[3] ?? 0) ^ 1;
      writeFileSync(f, b);
    }),
    at: 'tokenizer.json',
    problem: 'changed',
  },
  {
    title: 'a truncated file',
    prepare: tampered((d) => truncateSync(join(d, 'weights.safetensors'), 10)),
    at: 'weights.safetensors',
    problem: 'truncated',
  },
  {
    title: 'a longer file',
    prepare: tampered((d) => writeFileSync(join(d, 'tokenizer.json'), ' ', { flag: 'a' })),
    at: 'tokenizer.json',
    problem: 'changed',
  },
  {
    title: 'a file that became a folder',
    prepare: tampered((d) => {
      rmSync(join(d, 'tokenizer.json'));
      mkdirSync(join(d, 'tokenizer.json'));
    }),
    at: 'tokenizer.json',
    problem: 'missing',
  },
  { title: '../ in a path', prepare: alsoNamed('../outside'), at: '../outside', problem: 'escapes' },
  {
    title: '../ in the middle of a path',
    prepare: alsoNamed('a/../../outside'),
    at: 'a/../../outside',
    problem: 'escapes',
  },
  { title: 'an absolute path', prepare: alsoNamed('/etc/passwd'), at: '/etc/passwd', problem: 'escapes' },
  { title: 'a drive letter', prepare: alsoNamed('C:/x'), at: 'C:/x', problem: 'escapes' },
  { title: 'a backslash', prepare: alsoNamed('a\\..\\b'), at: 'a\\\\..\\\\b', problem: 'invalid' },
  { title: 'an empty part', prepare: alsoNamed('a//b'), at: 'a//b', problem: 'invalid' },
  { title: 'a NUL', prepare: alsoNamed('a\u0000b'), at: 'a\\u0000b', problem: 'invalid' },
  {
    title: 'the manifest as a listed file',
    prepare: alsoNamed('Manifest.json'),
    at: 'Manifest.json',
    problem: 'invalid',
  },
  {
    title: 'names that differ by case only',
    prepare: alsoNamed('Tokenizer.json', (d) => writeFileSync(join(d, 'Tokenizer.json'), 'x')),
    at: 'tokenizer.json',
    problem: 'invalid',
  },
  {
    title: 'a file that is a folder of another',
    prepare: alsoNamed('tokenizer.json/x'),
    at: 'tokenizer.json/x',
    problem: 'invalid',
  },
  {
    title: 'a symbolic link to outside',
    prepare: tampered((d) => {
      rmSync(join(d, 'tokenizer.json'));
      symlinkSync('/etc/passwd', join(d, 'tokenizer.json'));
    }),
    at: 'tokenizer.json',
    problem: 'link',
  },
  {
    title: 'a symbolic link inside',
    prepare: tampered((d) => {
      renameSync(join(d, 'tokenizer.json'), join(d, 't'));
      symlinkSync('t', join(d, 'tokenizer.json'));
    }),
    at: 'tokenizer.json',
    problem: 'link',
  },
  {
    title: 'a linked folder',
    prepare: tampered((d) => {
      cpSync(join(d, 'adapter'), join(d, 'real'), { recursive: true });
      rmSync(join(d, 'adapter'), { recursive: true });
      symlinkSync('real', join(d, 'adapter'));
    }),
    at: 'adapter',
    problem: 'link',
  },
  {
    title: 'a cycle of links',
    prepare: tampered((d) => symlinkSync('.', join(d, 'loop'))),
    at: 'loop',
    problem: 'link',
  },
  {
    title: 'a hard link to outside',
    prepare: tampered((d) => linkSync(join(d, 'tokenizer.json'), join(temporaryDirectory('outside'), 'other'))),
    at: 'tokenizer.json',
    problem: 'link',
  },
  {
    title: 'a pipe',
    prepare: tampered((d) => {
      rmSync(join(d, 'tokenizer.json'));
      execFileSync('mkfifo', [join(d, 'tokenizer.json')]);
    }),
    at: 'tokenizer.json',
    problem: 'invalid',
  },
  {
    title: 'a pipe as manifest',
    prepare: tampered((d) => {
      rmSync(join(d, 'manifest.json'));
      execFileSync('mkfifo', [join(d, 'manifest.json')]);
    }),
    at: 'manifest.json',
    problem: 'invalid',
  },
  {
    title: 'a sparse giant',
    prepare: tampered((d) => truncateSync(join(d, 'tokenizer.json'), 10 * 1024 ** 4)),
    at: 'tokenizer.json',
    problem: 'changed',
  },
  {
    title: 'a file above the size limit',
    limits: { fileBytes: 1000 },
    prepare: report('large.bin', 'other', 'x'.repeat(2000)),
    at: 'large.bin',
    problem: 'invalid',
  },
  {
    title: 'no manifest',
    prepare: tampered((d) => rmSync(join(d, 'manifest.json'))),
    at: 'manifest.json',
    problem: 'missing',
  },
  {
    title: 'a manifest that is no JSON',
    prepare: manifestText('{"schema":1,'),
    at: 'manifest.json',
    problem: 'invalid',
  },
  {
    title: 'a manifest with a key twice',
    prepare: manifestText('{"schema":1,"schema":1}'),
    at: 'manifest.json',
    problem: 'invalid',
  },
  {
    title: 'a manifest with a key twice, once escaped',
    prepare: manifestText('{"a":[{"x":1,"\\u0078":2}]}'),
    at: 'manifest.json',
    problem: 'invalid',
  },
  {
    title: 'a manifest that is not UTF-8',
    prepare: tampered((d) => writeFileSync(join(d, 'manifest.json'), Buffer.from([0x22, 0xff, 0x22]))),
    at: 'manifest.json',
    problem: 'invalid',
  },
  {
    title: 'a manifest of 10 MB',
    prepare: manifestText(`"${'x'.repeat(10_000_000)}"`),
    at: 'manifest.json',
    problem: 'invalid',
  },
  {
    title: 'an unknown key',
    prepare: tampered(() => undefined, { manifest: (m) => ({ ...m, command: 'rm' }) }),
    at: 'manifest.json',
    problem: 'invalid',
  },
  {
    title: 'an unknown key of a file',
    prepare: tampered(() => undefined, {
      manifest: (m) => ({ ...m, files: (m['files'] as object[]).map((f) => ({ ...f, mode: 1 })) }),
    }),
    at: 'manifest.json#files.0',
    problem: 'invalid',
  },
  {
    title: 'a service name with a slash',
    prepare: tampered(() => undefined, { manifest: (m) => ({ ...m, service: '../x' }) }),
    at: 'manifest.json#service',
    problem: 'invalid',
  },
  {
    title: 'files out of order',
    prepare: tampered(() => undefined, { manifest: (m) => ({ ...m, files: [...(m['files'] as object[])].reverse() }) }),
    at: 'tokenizer.json',
    problem: 'invalid',
  },
  {
    title: 'two evaluation reports',
    prepare: report('second.json', 'evaluation', artifactFiles('x')['evaluation.json']?.content as string),
    at: 'second.json',
    problem: 'invalid',
  },
  {
    title: 'an evaluation with a recall above 1',
    prepare: report(
      'evaluation.json',
      'evaluation',
      (artifactFiles('x')['evaluation.json']?.content as string).replace('0.95', '1.5'),
    ),
    at: 'evaluation.json#byClass.ham.recall',
    problem: 'invalid',
  },
  {
    title: 'probes with a key twice',
    prepare: report('probes.json', 'probes', '{"schema":1,"probes":[],"probes":[]}'),
    at: 'probes.json',
    problem: 'invalid',
  },
  {
    title: 'a weights header longer than the file',
    prepare: weights(Buffer.from([255, 255, 255, 0, 0, 0, 0, 0, 123, 125])),
    at: 'weights.safetensors',
    problem: 'invalid',
  },
  {
    title: 'a weights header of 2^63 bytes',
    prepare: weights(Buffer.from([0, 0, 0, 0, 0, 0, 0, 128])),
    at: 'weights.safetensors',
    problem: 'invalid',
  },
  {
    title: 'tensors that overlap',
    prepare: weights(safetensors([1, 2, 3], { a: F32(0, 8, [2]), b: F32(4, 12, [2]) })),
    at: 'weights.safetensors#b',
    problem: 'invalid',
  },
  {
    title: 'a tensor out of range',
    prepare: weights(safetensors([1], { a: F32(0, 8, [2]) })),
    at: 'weights.safetensors#a',
    problem: 'invalid',
  },
  {
    title: 'a tensor smaller than its shape',
    prepare: weights(safetensors([1, 2], { a: F32(0, 8, [3]) })),
    at: 'weights.safetensors#a',
    problem: 'invalid',
  },
  {
    title: 'bytes behind the tensors',
    prepare: weights(safetensors([1, 2], { a: F32(0, 4, [1]) })),
    at: 'weights.safetensors#data',
    problem: 'invalid',
  },
];

describe('an import is refused, with the place, and leaves no trace, for', () => {
  it.each(bad)('$title', async ({ prepare, at, problem, limits }) => {
    const { root, store } = await newStore(limits);
    await store.import(offer({ version: '0.9', ...(limits ? { files: { a: { role: 'other', content: 'a' } } } : {}) }));
    const before = snapshot(root);
    const refused = (await store.import(prepare()).catch((fault: unknown) => fault)) as ArtifactRefused;
    expect(refused).toBeInstanceOf(ArtifactRefused);
    const places = refused.problems.map((found) => [found.path, found.problem]);
    expect(places).toContainEqual([at, problem]);
    expect(snapshot(root)).toEqual(before);
  });

  it('a path that does not exist', async () => {
    const { store } = await newStore();
    await expect(store.import('/nonexistent/artifact')).rejects.toThrow(ArtifactRefused);
  });
});

describe('a stored version', () => {
  it('that was damaged is no longer listed, and every damage is located', async () => {
    const { root, store } = await newStore();
    await store.import(offer());
    damageObject(root, '1.0', 'manifest.json', (file) => {
      chmodSync(file, 0o644);
      writeFileSync(file, readFileSync(file, 'utf8').replace('"model":"mail"', '"model":"evil"'));
    });
    expect(await store.list('mail')).toEqual([]);
    expect(await store.verify('mail', '1.0')).toMatchObject([{ path: 'manifest.json', problem: 'changed' }]);
    expect(await store.audit('mail')).toMatchObject([{ version: '1.0', problems: [{ path: 'manifest.json' }] }]);
    await expect(store.materialise('mail', '1.0')).rejects.toThrow(ArtifactCorrupt);
  });

  it('whose evaluation was edited in place is not believed', async () => {
    const { root, store } = await newStore();
    await store.import(offer());
    damageObject(root, '1.0', 'evaluation.json', (file) => {
      chmodSync(file, 0o644);
      writeFileSync(file, readFileSync(file, 'utf8').replace('0.85', '0.99'));
    });
    expect(await store.get('mail', '1.0')).toBeNull();
  });
});

describe('a dry run of an import', () => {
  it('answers as the import would, refuses as it would, and leaves the store as it was', async () => {
    const { root, store } = await newStore();
    await store.import(offer());
    damageObject(root, '1.0', 'tokenizer.json', (file) => rmSync(file));
    const before = snapshot(root);
    expect((await store.import(offer(), { dryRun: true })).outcome).toBe('repaired');
    expect(await store.import(offer({ version: '1.1' }), { dryRun: true })).toMatchObject({
      outcome: 'imported',
      info: { version: '1.1', probes: 1 },
    });
    const damaged = offer({ version: '1.2' });
    writeFileSync(join(damaged, 'weights.safetensors'), safetensors([1, 2, 4]));
    await expect(store.import(damaged, { dryRun: true })).rejects.toBeInstanceOf(ArtifactRefused);
    expect(snapshot(root)).toEqual(before);
  });
});

describe('prune', () => {
  async function storeOf(...versions: string[]): Promise<{ root: string; store: DirectoryStore }> {
    const made = await newStore();
    for (const version of versions) await made.store.import(offer({ version }));
    return made;
  }

  it('removes what is older than the last three versions that could still be chosen', async () => {
    const { root, store } = await storeOf('1', '2', '3', '4', '5');
    const result = await store.prune('mail', { keep: 3, choosable: ({ version }) => version !== '4', dryRun: false });
    expect(result.removed.map(({ version }) => version)).toEqual(['1']);
    expect((await store.list('mail')).map(({ version }) => version)).toEqual(['2', '3', '4', '5']);
    expect(readdirSync(join(root, 'objects'))).toHaveLength(4);
  });

  it('also removes content that a crash left without a name, but not while a record cannot be read', async () => {
    const { root, store } = await storeOf('1', '2');
    rmSync(join(root, 'services', 'mail', '1.json'));
    const all = { keep: 3, choosable: () => true, dryRun: false };
    writeFileSync(join(root, 'services', 'mail', '3.json'), 'unreadable');
    await store.prune('mail', all);
    expect(readdirSync(join(root, 'objects'))).toHaveLength(2);
    rmSync(join(root, 'services', 'mail', '3.json'));
    await store.prune('mail', all);
    expect(readdirSync(join(root, 'objects'))).toHaveLength(1);
    expect(await store.verify('mail', '2')).toEqual([]);
  });

  it('removes nothing while fewer than three could be chosen, however many others there are', async () => {
    const { store } = await storeOf('1', '2', '3', '4', '5');
    const choosable = ({ version }: { version: string }): boolean => version === '1' || version === '2';
    expect((await store.prune('mail', { keep: 3, choosable, dryRun: false })).removed).toEqual([]);
  });

  it('says on a dry run what it would remove, and why the rest stays, and removes nothing', async () => {
    const { root, store } = await storeOf('1', '2', '3', '4', '5');
    const before = snapshot(root);
    const result = await store.prune('mail', {
      keep: 1,
      choosable: () => true,
      inUse: ({ version }) => version === '2',
      dryRun: true,
    });
    expect(result.removed.map(({ version }) => version)).toEqual(['1']);
    expect(result.kept).toEqual([
      { version: '5', why: 'choosable 1 of 3' },
      { version: '4', why: 'choosable 2 of 3' },
      { version: '3', why: 'choosable 3 of 3' },
      { version: '2', why: 'in use' },
    ]);
    expect(snapshot(root)).toEqual(before);
  });
});
