import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { dvcRegistry, type DvcOptions } from '../../adapters/artifacts/dvc/dvc';
import { versionMeant } from '../../adapters/artifacts/registry/names';
import { withRegistryNotes } from '../../adapters/artifacts/registry/noted-versions';
import { pullVersion, type Pulled } from '../../adapters/artifacts/registry/pull';
import type { Registry } from '../../adapters/artifacts/registry/registry';
import { syncRegistry } from '../../adapters/artifacts/registry/sync';
import { safetensors } from '../support/artifact-directory';
import { artifactStoreContract } from '../support/contracts/artifact-store';
import { copyDvcRepository, describeDvc, git, makeDvcRepository, type DvcRepository } from '../support/dvc-repository';
import { storeRig, versionFiles, type StoreRig } from '../support/registries';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const { signal } = new AbortController();
const inFolder = (folder: string, files: Record<string, Buffer | string>): Record<string, Buffer | string> =>
  Object.fromEntries(Object.entries(files).map(([path, content]) => [`${folder}/${path}`, content]));

const dvcYaml = `artifacts:
  mail: { path: model, type: model }
  other: { path: model }
  single: { path: single/weights.safetensors }
  plain: { path: plain }
  part: { path: model/adapter }
  trained: { path: out }
stages:
  train:
    cmd: cp -r src out
    deps: [src]
    outs: [out]
`;
const evalJson = {
  score: 0.9,
  size: 200,
  'per.class': { ham: { n: 100, r: 0.95, p: 0.86 }, spam: { n: 100, r: 0.85, p: 0.94 } },
};
const evalNames = {
  classes: ['ham', 'spam'],
  accuracy: 'score',
  n: 'size',
  recall: 'per.class.{class}.r',
  precision: 'per.class.{class}.p',
  classN: 'per.class.{class}.n',
};
const register = (name: string, version: string) => ['register', { name, version, ref: 'HEAD' }] as const;
const staged = (verb: 'assign' | 'unassign', stage: string) => [verb, { name: 'mail', stage, ref: 'HEAD' }] as const;

describeDvc('DVC and GTO as a registry')('with a repository made by DVC and GTO', () => {
  let made: DvcRepository;

  beforeAll(() => {
    made = makeDvcRepository([
      {
        files: {
          ...inFolder('model', versionFiles('first')),
          ...inFolder('src', versionFiles('trained')),
          ...inFolder('plain', { 'probes.json': versionFiles('')['probes.json'] ?? '', 'w.data': 'in Git' }),
          'single/weights.safetensors': safetensors([7]),
          'reports/eval.json': JSON.stringify(evalJson),
          'dvc.yaml': dvcYaml,
        },
        add: ['model', 'single/weights.safetensors'],
        repro: true,
        gto: [
          register('mail', 'v1.10.0'),
          staged('assign', 'prod'),
          ...['other', 'single', 'plain', 'part', 'trained'].map((name) => register(name, 'v9.0.0')),
        ],
      },
      {
        files: inFolder('model', versionFiles('second')),
        add: ['model'],
        gto: [
          register('mail', 'v1.2.0'),
          staged('assign', 'prod'),
          staged('unassign', 'prod'),
          staged('assign', 'dev'),
        ],
      },
      { files: inFolder('model', versionFiles('third')), add: ['model'], gto: [register('mail', 'v1.0.0')] },
      { gto: [register('mail', 'v1.3.0'), ['deregister', { name: 'mail', version: 'v1.3.0' }]] },
    ]);
  }, 120_000);
  afterAll(removeTemporary);

  function open({ repository }: DvcRepository, more: Partial<DvcOptions> = {}): Registry {
    const { PATH: programs = '' } = process.env;
    return dvcRegistry({ repository, artifact: 'mail', path: null, remote: null, fetch: null, programs, ...more });
  }

  async function pull(rig: StoreRig, wanted: string): Promise<Pulled> {
    const { registry } = rig.pulling;
    return await pullVersion(versionMeant(wanted, await registry.list(signal), registry.where), rig.pulling);
  }

  /** Where an object of the first tracked version is: by its path in the list of the directory. */
  function objectOf(place: string, { repository }: DvcRepository, path: string): string {
    const [, list = ''] = /md5: ([0-9a-f]{32})\.dir/.exec(git(repository, 'show', 'mail@v1.0.0:model.dvc')) ?? [];
    const at = (md5: string, end = ''): string => join(place, 'files', 'md5', md5.slice(0, 2), `${md5.slice(2)}${end}`);
    if (path === '') return at(list, '.dir');
    const entries = JSON.parse(readFileSync(at(list, '.dir'), 'utf8')) as { md5: string; relpath: string }[];
    return at(entries.find(({ relpath }) => relpath === path)?.md5 ?? '');
  }

  function overwrite(file: string, content: string | Buffer): void {
    chmodSync(file, 0o644);
    writeFileSync(file, content);
  }

  it('lists what GTO shows: registered versions, newest first, with their stages, without what was taken back', async () => {
    const versions = await open(made).list(signal);
    const ours = versions.map(({ version, aliases }) => [`v${version}`, aliases]);
    expect([...ours].sort()).toEqual([...made.shown].sort());
    expect(versions.map(({ version, aliases }) => [version, aliases])).toEqual([
      ['1.0.0', []],
      ['1.2.0', ['dev']],
      ['1.10.0', ['prod']],
    ]);
    expect(() => versionMeant('1.3.0', versions, 'here')).toThrow('no version "1.3.0"; found 1.0.0, 1.2.0, 1.10.0');
  });

  it('I8: a tag that is dated back is no older than the look that found it; what was there at the first look is as old as its tag', async () => {
    const damaged = copyDvcRepository(made);
    const rig = await storeRig(open(damaged));
    const live = Date.now() + 10_000;
    const first = await syncRegistry(rig.sync({ keep: 1, now: () => live - 1_000 }));
    expect(first.pulled.map(({ version }) => version)).toEqual(['1.0.0']);
    const [oldest] = await rig.store.list('mail');
    expect(oldest?.importedAt).toBeLessThan(live - 5_000);

    const commit = git(damaged.repository, 'rev-parse', 'mail@v1.2.0^{commit}').trim();
    const date = '2020-01-01T00:00:00Z';
    const env = { ...process.env, GIT_COMMITTER_DATE: date, GIT_COMMITTER_NAME: 'm', GIT_COMMITTER_EMAIL: 'm@x' };
    execFileSync('git', ['tag', '-a', '-m', 'x', 'mail@v0.9.0', commit], { cwd: damaged.repository, env });
    expect((await open(damaged).list(signal)).at(-1)).toMatchObject({
      version: '0.9.0',
      createdAt: Date.parse(date),
    });
    await syncRegistry(rig.sync({ keep: 9, lookBack: 9, now: () => live }));
    const places = new Map((await rig.store.list('mail')).map(({ version, importedAt }) => [version, importedAt]));
    // The store's own clock is before the look's here, and it never says later than it is.
    expect(places.get('0.9.0')).toBeGreaterThan(Date.parse('2026-01-01T00:00:00Z'));
    expect(places.get('0.9.0')).toBeGreaterThanOrEqual(Math.max(...places.values()));
    expect(places.get('1.0.0')).toBe(oldest?.importedAt);
  });

  it('brings a directory, a part of it, one file, the output of a stage and what is in Git itself, without DVC', async () => {
    const files = async (artifact: string): Promise<string[]> => {
      const rig = await storeRig(open(made, { artifact }));
      await pull(rig, '9.0.0');
      const { directory } = await rig.store.materialise('mail', '9.0.0');
      return readdirSync(directory, { recursive: true })
        .map(String)
        .filter((path) => !path.endsWith('manifest.json') && !statSync(join(directory, path)).isDirectory())
        .sort();
    };
    const whole = ['adapter/delta.safetensors', 'evaluation.json', 'probes.json', 'profile.json', 'tokenizer.json'];
    expect(await files('other')).toEqual([...whole, 'weights.safetensors']);
    expect(await files('trained')).toEqual([...whole, 'weights.safetensors']);
    expect(await files('part')).toEqual(['delta.safetensors']);
    expect(await files('single')).toEqual(['weights.safetensors']);
    expect(await files('plain')).toEqual(['probes.json', 'w.data']);
  });

  it('takes the evaluation from a JSON file of the repository, in the form that it has there', async () => {
    const json = { from: 'json' as const, file: 'reports/eval.json', names: evalNames };
    const rig = await storeRig(open(made), { evaluation: json });
    const { info, lacks } = await pull(rig, '@prod');
    expect(lacks).toEqual([]);
    expect(info).toMatchObject({
      version: '1.10.0',
      evaluation: { accuracy: 0.9, byClass: { spam: { recall: 0.85 } } },
    });
    const wrong = await storeRig(open(made), { evaluation: { ...json, names: { ...evalNames, accuracy: 'auc' } } });
    expect((await pull(wrong, '@prod')).lacks).toEqual([
      'no evaluation report: auc (found nothing, expected a number from 0 to 1)',
    ]);
  });

  it('keeps the newest validated versions, notes a stage that moves and a version that is taken back', async () => {
    const copy = copyDvcRepository(made);
    const rig = await storeRig(open(copy));
    const first = await syncRegistry(rig.sync({ keep: 2, follow: ['prod'] }));
    expect(first.passedOver).toEqual([]);
    expect(first.pulled.map(({ version }) => version)).toEqual(['1.10.0', '1.2.0', '1.0.0']);
    git(copy.repository, 'tag', '-am', 'x', 'mail#prod#9', 'mail@v1.2.0^{commit}');
    git(copy.repository, 'tag', '-am', 'x', 'mail@v1.10.0!', 'mail@v1.10.0^{commit}');
    const report = await syncRegistry(rig.sync());
    expect(report).toMatchObject({ moves: [{ alias: 'prod', from: '1.10.0', to: '1.2.0' }], gone: ['1.10.0'] });
    expect(await rig.store.verify('mail', '1.10.0')).toEqual([]);
  });

  it('writes a note to the clone and reads it back as a tag', async () => {
    const copy = copyDvcRepository(made);
    const before = git(copy.repository, 'status', '--porcelain');
    const registry = open(copy);
    const rig = await storeRig(registry);
    await pull(rig, '1.0.0');
    const store = withRegistryNotes(rig.store, {
      registryOf: () => registry,
      onFailed: (_service, _version, fault) => {
        throw fault;
      },
    });
    await store.annotate('mail', '1.0.0', { at: 1, text: 'rolled back from\nat 12:00' });
    expect((await syncRegistry(rig.sync({ standing: () => 'suspect', keep: 1 }))).notes.written).toEqual(['1.0.0']);
    const [newest, older] = await registry.list(signal);
    expect(newest?.tags).toEqual({
      'lastgood.standing': 'suspect',
      'lastgood.note': 'rolled back from at 12:00',
      'lastgood.digest': (await rig.store.get('mail', '1.0.0'))?.digest,
    });
    expect(older?.tags).toEqual({});
    expect(git(copy.repository, 'status', '--porcelain')).toBe(before);
  });

  it('finds a corrupted object, which DVC itself would install, takes a whole one elsewhere, else nothing', async () => {
    const copy = copyDvcRepository(made);
    const rig = await storeRig(open(copy));
    const cache = join(copy.repository, '.dvc', 'cache');
    const [inCache, inRemote] = [cache, copy.remote].map((place) => objectOf(place, copy, 'weights.safetensors'));
    const good = readFileSync(inCache ?? '');
    overwrite(inCache ?? '', Buffer.concat([good.subarray(1), Buffer.of(0)]));
    expect(await pull(rig, '1.0.0')).toMatchObject({ outcome: 'imported' });
    overwrite(inRemote ?? '', Buffer.concat([good.subarray(1), Buffer.of(1)]));
    const other = await storeRig(open(copy));
    await expect(pull(other, '1.0.0')).rejects.toThrow(
      /weights\.safetensors: object [0-9a-f]{32}: the one in the cache is corrupt \(its md5 is [0-9a-f]{32}\); the one in the remote "store" is corrupt/,
    );
    expect(await other.store.list('mail')).toEqual([]);
    expect(readdirSync(join(other.root, 'staging'))).toEqual([]);
    const [list, listElsewhere] = [cache, copy.remote].map((place) => objectOf(place, copy, ''));
    for (const file of [list ?? '', listElsewhere ?? ''])
      overwrite(file, readFileSync(file, 'utf8').replace('tokenizer.json', '../../escaped'));
    await expect(pull(other, '1.0.0')).rejects.toThrow(/\.dir: the one in the cache is corrupt/);
  });

  it('says which object is nowhere and how it gets there, and knows the layout of DVC 2', async () => {
    const copy = copyDvcRepository(made);
    const rig = await storeRig(open(copy));
    const cache = join(copy.repository, '.dvc', 'cache');
    rmSync(objectOf(cache, copy, 'tokenizer.json'), { force: true });
    const inRemote = objectOf(copy.remote, copy, 'tokenizer.json');
    const content = readFileSync(inRemote);
    rmSync(inRemote);
    await expect(pull(rig, '1.0.0')).rejects.toThrow(
      /tokenizer\.json: object \w+ is not in cache .*, remote "store" .*`dvc push`/,
    );
    const config = join(copy.repository, '.dvc', 'config');
    const text = readFileSync(config, 'utf8');
    writeFileSync(config, text.replace(copy.remote, 's3://user:secret@bucket/store'));
    await expect(pull(rig, '1.0.0')).rejects.toThrow(
      /the remote "store" is s3:\/\/bucket\/store, and only one that is a directory .*`dvc fetch --all-tags`/,
    );
    writeFileSync(config, text.replace(copy.remote, '/nowhere/at/all'));
    await expect(pull(rig, '1.0.0')).rejects.toThrow(/\/nowhere\/at\/all is not there; is its disk mounted\?/);
    const md5 = inRemote.slice(-33).replace('/', '');
    const old = join(cache, md5.slice(0, 2));
    if (!existsSync(old)) (await import('node:fs')).mkdirSync(old);
    writeFileSync(join(old, md5.slice(2)), content);
    await expect(pull(rig, '1.0.0')).rejects.toThrow(/old layout of DVC 2 in the cache; `dvc cache migrate`/);
  });

  it('reads a bare clone, and says what a shallow, broken or missing one lacks', async () => {
    const place = temporaryDirectory('clones');
    const bare = join(place, 'bare.git');
    git(place, 'clone', '--quiet', '--bare', made.repository, bare);
    const remote = { ...made, repository: bare };
    expect(await pull(await storeRig(open(remote)), '1.0.0')).toMatchObject({ outcome: 'imported' });
    const shallow = join(place, 'shallow');
    git(place, 'clone', '--quiet', '--depth', '1', '--no-tags', `file://${made.repository}`, shallow);
    await expect(open({ ...made, repository: shallow }).list(signal)).rejects.toThrow(
      /found 0 tags and none that registers a version \(mail@v1\.0\.0.*the clone is shallow: git fetch --unshallow --tags/,
    );
    const fetching = open({ ...made, repository: shallow }, { fetch: 'origin' });
    expect((await fetching.list(signal)).map(({ version }) => version)).toEqual(['1.0.0', '1.2.0', '1.10.0']);
    const broken = copyDvcRepository(made);
    const commit = git(broken.repository, 'rev-parse', 'mail@v1.0.0^{commit}');
    rmSync(join(broken.repository, '.git', 'objects', commit.slice(0, 2), commit.slice(2)));
    await expect(open(broken).list(signal)).rejects.toThrow(/git: .*(missing|bad|unable).*does not have all objects/);
    await expect(open({ ...made, repository: place }).list(signal)).rejects.toThrow(/git: not a git repository/);
    await expect(open(made, { programs: '/nowhere' }).list(signal)).rejects.toThrow(/git is not on PATH/);
    await expect(pull(await storeRig(open(made, { path: 'mode' })), '1.0.0')).rejects.toThrow(
      /neither DVC \(mode\.dvc, dvc\.lock\) nor Git has mode at that commit/,
    );
    await expect(pull(await storeRig(open(made, { path: '../x' })), '1.0.0')).rejects.toThrow(/without "\.\."/);
  });

  artifactStoreContract('the store with versions that came from DVC', async () => {
    // The contract's names have two parts, GTO's three.
    const short = (registry: Registry): Registry => ({
      ...registry,
      list: async (limit) =>
        (await registry.list(limit)).map((entry) => ({
          ...entry,
          version: entry.version.replace(/(\.0)?\.0$/, (end) =>
            end === '.0.0' && entry.version.startsWith('9') ? '' : end.slice(0, -2),
          ),
        })),
    });
    const registries = new Map(['mail', 'other'].map((artifact) => [artifact, short(open(made, { artifact }))]));
    const rig = await storeRig(registries.get('mail') as Registry);
    return {
      store: withRegistryNotes(rig.store, { registryOf: () => null, onFailed: () => undefined }),
      add: async (service, version) => {
        const pulling = {
          ...rig.pulling,
          registry: registries.get(service) as Registry,
          rules: { ...rig.pulling.rules, service },
        };
        await pull({ ...rig, pulling }, version);
      },
      damage: async (service, version) => {
        const digest = (await rig.store.get(service, version))?.digest ?? '';
        const file = join(rig.root, 'objects', digest.slice('sha256:'.length), 'weights.safetensors');
        chmodSync(file, 0o644);
        truncateSync(file, 8);
      },
      notes: (service, version) => rig.store.notes(service, version),
    };
  });
});
