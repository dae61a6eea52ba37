import { chmodSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { GoldenProbe } from '../../activities/ports';
import { openDirectoryStore } from '../../adapters/artifacts/directory-store';
import { ArtifactMissing } from '../../adapters/artifacts/errors';
import { withExternalVersions } from '../../adapters/artifacts/observed-versions';
import { openInferenceEngine } from '../../adapters/serving/open-inference';
import { writeArtifact } from '../support/artifact-directory';
import { artifactStoreContract, type ArtifactStoreSubject } from '../support/contracts/artifact-store';
import { startFakeModel, type FakeModel } from '../support/fake-model';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const engine = openInferenceEngine({ limitBytes: 100_000 });
const probe = (value: string): GoldenProbe => ({
  id: 'p1',
  request: { text: 'win money' },
  expect: { output: 'label', value },
});

const models: FakeModel[] = [];
afterEach(async () => {
  for (const model of models.splice(0)) await model.close();
});
afterAll(removeTemporary);

interface Overlay {
  /** Services that something else runs. */
  readonly external: readonly string[];
  readonly probe: GoldenProbe;
  /** What `add` puts there: an artifact, an address, or both under one name. */
  readonly adds: readonly ('artifact' | 'address')[];
}

async function overlay({ external, probe, adds }: Overlay): Promise<ArtifactStoreSubject> {
  const root = temporaryDirectory('store');
  const below = await openDirectoryStore({ directory: root });
  const addresses = new Map(external.map((service) => [service, {} as Record<string, string>]));
  const store = withExternalVersions(below, (service) => {
    const versions = addresses.get(service);
    return versions ? { model: 'mail', engine, versions, probes: [probe] } : null;
  });
  return {
    store,
    add: async (service, version) => {
      if (adds.includes('artifact'))
        await below.import(writeArtifact(temporaryDirectory('offer'), { service, version }));
      if (!adds.includes('address')) return;
      const model = await startFakeModel({ digest: `sha256:${String(models.length + 1).padStart(64, '0')}`, version });
      models.push(model);
      Object.assign(addresses.get(service) ?? {}, { [version]: model.address });
    },
    damage: async (service, version) => {
      if (!adds.includes('artifact')) return await models.at(-1)?.close();
      const digest = (await below.get(service, version))?.digest ?? '';
      const folder = join(root, 'objects', digest.slice('sha256:'.length));
      chmodSync(join(folder, 'weights.safetensors'), 0o644);
      truncateSync(join(folder, 'weights.safetensors'), 8);
    },
    notes: (service, version) => below.notes(service, version),
  };
}

async function expectMissing(asked: Promise<unknown>, version: string): Promise<void> {
  const answer = await asked.catch((error: unknown) => error);
  expect(answer).toBeInstanceOf(ArtifactMissing);
  expect(answer).toHaveProperty('message', `mail@${version} is not in the artifact store`);
}

/** One address may serve a version of any name, so the configured probes and a note are not tied to a known one. */
const missing = (expected: GoldenProbe) => ({
  title: 'rejects to verify or materialise a version that it does not have; its probes are the configured ones',
  check: async ({ store, notes }: ArtifactStoreSubject) => {
    await expectMissing(store.verify('mail', '9.9'), '9.9');
    await expectMissing(store.materialise('mail', '9.9'), '9.9');
    expect(await store.probes('mail', '9.9')).toEqual([expected]);
    await store.annotate('mail', '9.9', { at: 1, text: 'x' });
    await expectMissing(notes('mail', '9.9'), '9.9');
  },
});

artifactStoreContract('the store with observed versions, for a service that lastgood runs,', () =>
  overlay({ external: ['another'], probe: probe('ham'), adds: ['artifact'] }),
);

artifactStoreContract(
  'the store with observed versions, for artifacts whose names have an address too,',
  () => overlay({ external: ['mail', 'other'], probe: probe('ham'), adds: ['artifact', 'address'] }),
  { missing: missing(probe('ham')) },
);

artifactStoreContract(
  'the store with observed versions, for versions that only an address tells of,',
  () => overlay({ external: ['mail', 'other'], probe: probe('spam'), adds: ['address'] }),
  {
    missing: missing(probe('spam')),
    description: {
      title: 'describes a version by what answers and the configured probes; it has no evaluation and no files',
      check: async ({ store, add }) => {
        await add('mail', '1.0');
        expect(await store.get('mail', '1.0')).toMatchObject({
          version: '1.0',
          digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
          engine: 'open-inference',
          model: 'mail',
          evaluation: null,
          probes: 1,
          bytes: 0,
          observed: { means: 'model-metadata', ownAddress: true },
        });
        expect(await store.get('mail', '9.9')).toBeNull();
      },
    },
    materialise: {
      title: 'refuses to materialise: nothing can be started from an address',
      check: async ({ store, add }) => {
        await add('mail', '1.0');
        await expectMissing(store.materialise('mail', '1.0'), '1.0');
      },
    },
    damage: {
      title: 'finds nothing to verify while the address answers, and does not have the version when it does not',
      check: async ({ store, add, damage }) => {
        await add('mail', '1.0');
        expect(await store.verify('mail', '1.0')).toEqual([]);
        await damage('mail', '1.0');
        await expectMissing(store.verify('mail', '1.0'), '1.0');
        expect(await store.get('mail', '1.0')).toBeNull();
        expect(await store.list('mail')).toEqual([]);
      },
    },
    note: {
      title: 'keeps no note: a note stands beside an artifact',
      check: async ({ store, add, notes }) => {
        await add('mail', '1.0');
        await store.annotate('mail', '1.0', { at: 5, text: 'rolled back from' });
        await expectMissing(notes('mail', '1.0'), '1.0');
      },
    },
  },
);
