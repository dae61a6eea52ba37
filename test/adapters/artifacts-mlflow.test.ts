import { chmodSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { ArtifactStore } from '../../activities/ports';
import { mlflowRegistry } from '../../adapters/artifacts/mlflow/mlflow';
import { versionMeant } from '../../adapters/artifacts/registry/names';
import { withRegistryNotes } from '../../adapters/artifacts/registry/noted-versions';
import { pullVersion, type Pulled } from '../../adapters/artifacts/registry/pull';
import type { Registry } from '../../adapters/artifacts/registry/registry';
import { syncRegistry } from '../../adapters/artifacts/registry/sync';
import { writeArtifact } from '../support/artifact-directory';
import { artifactStoreContract } from '../support/contracts/artifact-store';
import { describeMlflow, MlflowServer } from '../support/mlflow-server';
import {
  bareFiles,
  classCounts,
  figureNames,
  goodMetrics,
  storeRig,
  versionFiles,
  type StoreRig,
} from '../support/registries';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const { signal } = new AbortController();
const seeded = { evaluation: { from: 'figures' as const, names: figureNames } };

describeMlflow('MLflow as a registry')('with a real MLflow server', () => {
  let server: MlflowServer;
  const opened: Registry[] = [];
  let models = 0;

  beforeAll(async () => {
    server = await MlflowServer.start();
  }, 150_000);
  afterAll(async () => {
    for (const registry of opened) await registry.close();
    await server.stop();
    removeTemporary();
  });

  function registryOf(model: string): Registry {
    const registry = mlflowRegistry({ url: server.url, model, authorization: async () => null, ca: null, pageSize: 2 });
    opened.push(registry);
    return registry;
  }

  async function newModel(name = `model ${(models += 1)}`): Promise<{ model: string; registry: Registry }> {
    await server.model(name);
    return { model: name, registry: registryOf(name) };
  }

  async function pull(rig: StoreRig, wanted: string): Promise<Pulled> {
    const { registry } = rig.pulling;
    return await pullVersion(versionMeant(wanted, await registry.list(signal), registry.where), rig.pulling);
  }

  async function goodVersion(model: string, seed: string, metrics = goodMetrics): Promise<string> {
    return await server.version(model, await server.run(metrics, classCounts), bareFiles(seed));
  }

  it('lists the versions newest first with aliases and tags, over several pages, and no version of another model', async () => {
    const { model, registry } = await newModel("Bob's model");
    await newModel("bob's model");
    const run = await server.run();
    for (let at = 0; at < 3; at++) await server.register(model, `mlflow-artifacts:/0/${run}/artifacts/model`, run);
    await server.register("bob's model", `mlflow-artifacts:/0/${run}/artifacts/model`, run);
    await server.alias(model, 'champion', '2');
    await server.alias(model, 'last-good', '2');
    await server.tag(model, '2', 'git_sha', 'da4b');
    const versions = await registry.list(signal);
    expect(versions.map(({ version, aliases }) => [version, aliases])).toEqual([
      ['v3', []],
      ['v2', ['champion', 'last-good']],
      ['v1', []],
    ]);
    expect(versions[1]).toMatchObject({ id: '2', state: 'ready', run, tags: { git_sha: 'da4b' } });
    expect(Math.abs(Date.now() - (versions[0]?.createdAt ?? 0))).toBeLessThan(60_000);
    expect(versionMeant('@champion', versions, 'here').version).toBe('v2');
    expect(versionMeant('3', versions, 'here').version).toBe('v3');
    expect(() => versionMeant('@challenger', versions, 'here')).toThrow(
      'here: there is no alias or stage "challenger"; found @champion, @last-good',
    );
    await expect(registryOf('nobody').list(signal)).rejects.toThrow(/Registered Model with name=nobody not found/);
  });

  it('brings a version with its own manifest, its report made of the metrics of its run and what stands beside it', async () => {
    const { model, registry } = await newModel();
    const rig = await storeRig(registry, seeded);
    const run = await server.run(goodMetrics, classCounts);
    await server.upload(`0/${run}/artifacts/profile.json`, JSON.stringify({ schema: 1, note: 'of the run' }));
    await server.version(model, run, { ...bareFiles('1'), 'sub dir/ä +&.txt': 'odd names' });
    const first = await pull(rig, 'v1');
    expect(first).toMatchObject({ outcome: 'imported', lacks: [], info: { version: 'v1', probes: 1 } });
    expect(first.info.evaluation).toEqual({
      accuracy: 0.9,
      n: 200,
      byClass: { ham: { n: 100, recall: 0.95, precision: 0.86 }, spam: { n: 100, recall: 0.85, precision: 0.94 } },
    });
    const { directory } = await rig.store.materialise('mail', 'v1');
    expect(readdirSync(directory, { recursive: true }).sort()).toEqual(
      expect.arrayContaining([
        'lastgood/evaluation.json',
        'lastgood/profile.json',
        'sub dir/ä +&.txt',
        'manifest.json',
      ]),
    );
    expect(await pull(rig, 'v1')).toMatchObject({ outcome: 'already-there', info: { digest: first.info.digest } });
    expect(readdirSync(join(rig.root, 'staging'))).toEqual([]);
  });

  it('says what a version lacks, takes it all the same, and does not call it validated', async () => {
    const { model, registry } = await newModel();
    const rig = await storeRig(registry, seeded);
    const { 'probes.json': _probes, ...files } = bareFiles('1');
    await server.version(model, await server.run({ ...goodMetrics, recall_spam: 1.5 }, { n_ham: '100' }), files);
    const { info, lacks } = await pull(rig, '1');
    expect(info).toMatchObject({ evaluation: null, probes: 0 });
    expect(lacks.join('\n')).toMatch(/param:n_spam \(found nothing, expected a whole number\)/);
    expect(lacks.join('\n')).toMatch(/recall_spam \(found 1\.5, expected a number from 0 to 1\)/);
    expect(lacks.join('\n')).toMatch(/no golden probes \(no file probes\.json\)/);
    expect(await syncRegistry(rig.sync())).toMatchObject({ pulled: [], validated: [] });
  });

  it('follows a v3 logged model to its files, and takes its own metrics before those of the run', async () => {
    const { model, registry } = await newModel();
    const rig = await storeRig(registry, seeded);
    const run = await server.run({ ...goodMetrics, accuracy: 0.1 }, classCounts);
    const made = await server.call('POST', 'mlflow/logged-models', {
      experiment_id: '0',
      name: 'lm',
      source_run_id: run,
    });
    const { model_id: id } = (made['model'] as { info: { model_id: string } }).info;
    await server.call('PATCH', `mlflow/logged-models/${id}`, { model_id: id, status: 'LOGGED_MODEL_READY' });
    await server.call('POST', 'mlflow/runs/log-batch', {
      run_id: run,
      metrics: [{ key: 'accuracy', value: 0.9, timestamp: 1_795_358_698_867, step: 0, model_id: id }],
    });
    for (const [path, content] of Object.entries(bareFiles('1')))
      await server.upload(`0/models/${id}/artifacts/${path}`, content);
    await server.register(model, `models:/${id}`, run);
    expect(await pull(rig, 'v1')).toMatchObject({ outcome: 'imported', info: { evaluation: { accuracy: 0.9 } } });
  });

  it('takes a manifest that was registered with the files, and refuses one of another version or of something else', async () => {
    const { model, registry } = await newModel();
    const rig = await storeRig(registry);
    const manifestOf = (version: string): Buffer =>
      readFileSync(join(writeArtifact(temporaryDirectory('offer'), { version }), 'manifest.json'));
    const run = await server.run();
    await server.version(model, run, { ...versionFiles('v1'), 'manifest.json': manifestOf('v1') }, 'a');
    await server.version(model, run, { ...versionFiles('v1'), 'manifest.json': manifestOf('v1') }, 'b');
    await server.version(model, run, { ...versionFiles('v3'), 'manifest.json': '{"manifest_version": 3}' }, 'c');
    expect(await pull(rig, 'v1')).toMatchObject({ outcome: 'imported', lacks: [] });
    await expect(pull(rig, 'v2')).rejects.toThrow(/is that of mail@v1, expected mail@v2/);
    await expect(pull(rig, 'v3')).rejects.toThrow(/is not one of lastgood's/);
    expect((await rig.store.list('mail')).map(({ version }) => version)).toEqual(['v1']);
  });

  it('brings in the newest validated versions, oldest first, judged before their weights are fetched', async () => {
    const { model, registry } = await newModel();
    const rig = await storeRig(registry, seeded);
    for (let at = 1; at <= 3; at++) await goodVersion(model, String(at));
    await goodVersion(model, '4', { ...goodMetrics, accuracy: 0.5 });
    await goodVersion(model, '5');
    await goodVersion(model, '6');
    await server.alias(model, 'old', '1');
    const report = await syncRegistry(rig.sync({ follow: ['old'] }));
    expect(report.pulled.map(({ version }) => version)).toEqual(['v1', 'v3', 'v5', 'v6']);
    expect(report.passedOver).toEqual([{ version: 'v4', why: 'accuracy 0.5' }]);
    expect(report.validated).toEqual(['v6', 'v5', 'v3', 'v1']);
    expect((await rig.store.list('mail')).map(({ version }) => version)).toEqual(['v1', 'v3', 'v5', 'v6']);
    // Fetched later, and older all the same: nobody takes it for the newest.
    await pull(rig, 'v2');
    expect((await rig.store.list('mail')).map(({ version }) => version)).toEqual(['v1', 'v2', 'v3', 'v5', 'v6']);
    const again = await syncRegistry(rig.sync());
    expect(again).toMatchObject({ pulled: [], moves: [], gone: [], isFirstLook: false });
    const dry = await storeRig(registry, seeded);
    expect((await syncRegistry(dry.sync({ dryRun: true }))).pulled.map(({ version }) => version)).toEqual([
      'v6',
      'v5',
      'v3',
    ]);
    expect(await dry.store.list('mail')).toEqual([]);
  });

  it('records an alias that moves and a version that is deleted, which stays a target here', async () => {
    const { model, registry } = await newModel();
    const rig = await storeRig(registry, seeded);
    await goodVersion(model, '1');
    await goodVersion(model, '2');
    await server.alias(model, 'champion', '2');
    await syncRegistry(rig.sync({ now: () => 1_000 }));
    await server.alias(model, 'champion', '1');
    const seen: unknown[] = [];
    const report = await syncRegistry(
      rig.sync({ now: () => 2_000, onMoves: async (moves) => void seen.push(...moves) }),
    );
    expect(report.moves).toEqual([{ alias: 'champion', from: 'v2', to: 'v1' }]);
    expect(seen).toEqual(report.moves);
    const notes = await rig.store.notes('mail', 'v1');
    expect(notes.map(({ text }) => text)).toContain('registry: @champion moved from v2 to v1');
    await server.remove(model, '1');
    const after = await syncRegistry(rig.sync({ now: () => 3_000 }));
    expect(after).toMatchObject({ gone: ['v1'], moves: [{ alias: 'champion', from: 'v1', to: null }] });
    expect((await rig.pulling.records.read('mail'))?.versions['v1']).toMatchObject({ goneSince: 3_000 });
    expect(await rig.store.verify('mail', 'v1')).toEqual([]);
    expect((await rig.store.materialise('mail', 'v1')).digest).toMatch(/^sha256:/);
  });

  it('writes notes and standing to the version, also later what could not be written at once', async () => {
    const { model, registry } = await newModel();
    const rig = await storeRig(registry, seeded);
    await goodVersion(model, '1');
    await syncRegistry(rig.sync());
    const failed: string[] = [];
    const noted = (to: Registry): ArtifactStore =>
      withRegistryNotes(rig.store, {
        registryOf: () => to,
        onFailed: (_service, version, fault) => failed.push(`${version}: ${String(fault)}`),
      });
    await noted(registry).annotate('mail', 'v1', { at: 5, text: 'rolled back from at 12:00: recall' });
    const digest = (await rig.store.get('mail', 'v1'))?.digest;
    const there = { 'lastgood.digest': digest };
    expect(await server.tags(model, '1')).toEqual({ ...there, 'lastgood.note': 'rolled back from at 12:00: recall' });
    const down = mlflowRegistry({ url: 'http://127.0.0.1:1', model, authorization: async () => null, ca: null });
    opened.push(down);
    await noted(down).annotate('mail', 'v1', { at: 6, text: 'again' });
    expect(failed).toEqual([expect.stringMatching(/^v1: RegistryUnreachable: MLflow at .*ECONNREFUSED/)]);
    expect(await rig.store.notes('mail', 'v1')).toHaveLength(3);
    const report = await syncRegistry(rig.sync({ standing: () => 'quarantined' }));
    expect(report.notes).toEqual({ written: ['v1'], failed: [] });
    expect(await server.tags(model, '1')).toEqual({
      ...there,
      'lastgood.note': 'again',
      'lastgood.standing': 'quarantined',
    });
    expect((await syncRegistry(rig.sync({ standing: () => 'quarantined' }))).notes.written).toEqual([]);
  });

  it('refuses files that MLflow does not serve itself, and says where they are', async () => {
    const { model, registry } = await newModel();
    const rig = await storeRig(registry, seeded);
    const run = await server.run();
    await server.register(model, 's3://bucket/models/1', run);
    await expect(pull(rig, 'v1')).rejects.toThrow(
      /its files are at s3:\/\/bucket\/models\/1, which lastgood does not read/,
    );
    expect(await syncRegistry(rig.sync())).toMatchObject({ pulled: [], passedOver: [{ version: 'v1' }] });
  });

  // The contract names its versions itself, MLflow counts them: the name stands in a tag here.
  const made = new Map<string, { model: string; registry: Registry }>();
  artifactStoreContract('the store with versions that came from MLflow', async () => {
    made.clear();
    const rigs = new Map<string, StoreRig>();
    const rig = await storeRig(registryOf('unused'));
    const store = withRegistryNotes(rig.store, {
      registryOf: (service) => made.get(service)?.registry ?? null,
      onFailed: () => undefined,
    });
    return {
      store,
      add: async (service, version) => {
        if (!made.has(service)) {
          const { model, registry } = await newModel();
          const named: Registry = {
            ...registry,
            list: async (limit) =>
              (await registry.list(limit)).map((entry) => ({ ...entry, version: entry.tags['name'] ?? entry.version })),
          };
          made.set(service, { model, registry: named });
          rigs.set(service, {
            ...rig,
            pulling: { ...rig.pulling, registry: named, rules: { ...rig.pulling.rules, service } },
          });
        }
        const model = made.get(service)?.model ?? '';
        const id = await server.version(model, await server.run(), versionFiles(version));
        await server.tag(model, id, 'name', version);
        await pull(rigs.get(service) as StoreRig, version);
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
