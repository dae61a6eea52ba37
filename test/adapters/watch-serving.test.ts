import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { watchServing, type ServingPlaces } from '../../activities/watch-serving';
import { validateArtifact } from '../../activities/validate-artifact';
import { withExternalVersions } from '../../adapters/artifacts/observed-versions';
import { openDirectoryStore } from '../../adapters/artifacts/directory-store';
import type { Engine } from '../../activities/ports';
import type { ObservedServing } from '../../domain/observed-serving';
import { engineFor } from '../../workers/composition';
import { ConfigurationError } from '../../workers/configuration/configuration';
import { loadConfiguration } from '../../workers/configuration/load';
import type { ServingWatchInput } from '../../workflows/contract/activities';
import { startFakeModel, type FakeModel, type FakeModelOptions } from '../support/fake-model';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const models: FakeModel[] = [];
afterEach(async () => {
  for (const model of models.splice(0)) await model.close();
});
afterAll(removeTemporary);

async function serve(options: FakeModelOptions): Promise<FakeModel> {
  const model = await startFakeModel({ model: 'mail', ...options });
  models.push(model);
  return model;
}

const request = { inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['hello'] }] };
const hello = { id: 'hello', request };

function configured(serving: string): ReturnType<typeof loadConfiguration>['services'][number] {
  const dir = temporaryDirectory('serving');
  const file = join(dir, 'lastgood.yaml');
  writeFileSync(join(dir, 'probes.json'), JSON.stringify([hello]));
  writeFileSync(join(dir, 'broken.json'), JSON.stringify([{ id: 'hello' }]));
  writeFileSync(file, `services:\n  mail:\n    model: mail\n    serving: { runtime: external, ${serving} }\n`);
  const [service] = loadConfiguration(file).services;
  if (!service) throw new Error('no service');
  return service;
}

function look(
  engine: Engine,
  places: ServingPlaces['places'],
  input: Partial<ServingWatchInput> = {},
): Promise<{ readonly seen: ObservedServing | null }> {
  const watch = watchServing({ engine: () => engine, servedAt: () => ({ model: 'mail', places }) });
  const all = { service: 'mail', live: null, known: null, intervalMs: 50, returnAfterMs: 0, ...input };
  return new MockActivityEnvironment().run(watch, all) as Promise<{ readonly seen: ObservedServing | null }>;
}

test('a server that reports nothing is told apart by its answers to configured probes, from a list or a file', async () => {
  for (const probes of [JSON.stringify([hello]), 'probes.json']) {
    const model = await serve({ digest: null, version: '', label: 'spam' });
    const service = configured(`address: '${model.address}', probes: ${probes}`);
    const places = [{ configured: null, address: model.address }];
    const { seen } = await look(engineFor(service), places);
    expect(seen).toMatchObject({
      means: 'probe-fingerprint',
      key: expect.stringMatching(/^fingerprint:[0-9a-f]{64}$/),
    });
    const known = { key: seen?.key ?? '', address: model.address };
    expect((await look(engineFor(service), places, { known })).seen).toBeNull();
    model.options.label = 'ham';
    const changed = await look(engineFor(service), places, { known });
    expect(changed.seen?.means).toBe('probe-fingerprint');
    expect(changed.seen?.key).not.toBe(seen?.key);
  }
});

test('without probes a server that reports nothing is taken as it is, and said to be known by nothing', async () => {
  const model = await serve({ digest: null, version: '' });
  const service = configured(`address: '${model.address}'`);
  const { seen } = await look(engineFor(service), [{ configured: null, address: model.address }]);
  expect(seen).toMatchObject({ means: 'none', key: 'none:' });
});

test('a server that is down, or not ready, is no change', async () => {
  const model = await serve({ digest: 'sha256:a' });
  const engine = engineFor(configured(`address: '${model.address}'`));
  const places = [{ configured: null, address: model.address }];
  model.faults.notReady = true;
  expect((await look(engine, places)).seen).toBeNull();
  await model.close();
  expect((await look(engine, places)).seen).toBeNull();
});

test('two contents behind one address that answer in turn are no change until one answers twice', async () => {
  const model = await serve({ digest: 'sha256:a' });
  const inner = engineFor(configured(`address: '${model.address}'`));
  let asked = 0;
  const engine: Engine = {
    ...inner,
    identity: async (...args) => {
      asked += 1;
      return { ...(await inner.identity(...args)), digest: asked % 2 === 1 ? 'sha256:b' : 'sha256:a' };
    },
  };
  const known = { key: 'sha256:a', address: model.address };
  expect((await look(engine, [{ configured: null, address: model.address }], { known })).seen).toBeNull();
  expect(asked).toBe(2);
});

test('of several addresses the one that serves is asked; while none does, nobody is', async () => {
  const [blue, green] = [await serve({ digest: 'sha256:a' }), await serve({ digest: 'sha256:b' })];
  const engine = engineFor(configured(`versions: { blue: '${blue.address}', green: '${green.address}' }`));
  const places = [blue, green].map(({ address }, at) => ({ configured: at === 0 ? 'blue' : 'green', address }));
  expect((await look(engine, places)).seen).toBeNull();
  expect((await look(engine, places, { live: green.address })).seen).toMatchObject({
    configured: 'green',
    key: 'sha256:b',
  });
});

test('versions at addresses stand beside the imported ones; their validation says what it rests on', async () => {
  const model = await serve({ digest: 'sha256:a' });
  const service = configured(`versions: { blue: '${model.address}', green: 'http://127.0.0.1:1' }`);
  const store = await openDirectoryStore({ directory: join(temporaryDirectory('store'), 'artifacts') });
  const versions = { blue: model.address, green: 'http://127.0.0.1:1' };
  const expected = { id: 'hello', request, expect: { output: 'label', value: 'spam' } };
  const external = { model: 'mail', engine: engineFor(service), versions, probes: [expected] };
  const view = withExternalVersions(store, (name) => (name === 'mail' ? external : null));
  const listed = await view.list('mail');
  expect(listed.map(({ version, digest, evaluation }) => [version, digest, evaluation])).toEqual([
    ['blue', 'sha256:a', null],
  ]);
  expect(await view.probes('mail', 'blue')).toEqual([expected]);
  const validate = validateArtifact({ artifacts: view });
  const run = (version: string, digest: string): Promise<unknown> =>
    new MockActivityEnvironment().run(validate, { service: 'mail', version, digest });
  expect(await run('blue', 'sha256:a')).toMatchObject({
    ok: true,
    note: expect.stringMatching(/^nothing to verify: this version has no artifact; its identity is sha256:a/),
  });
  expect(await run('blue', 'sha256:z')).toMatchObject({
    ok: false,
    why: expect.stringContaining('its address serves'),
  });
  expect(await run('green', 'sha256:a')).toMatchObject({ ok: false });
  await expect(view.probes('other', 'blue')).rejects.toThrow('not in the artifact store');
});

test('probes that could tell nothing apart, or that are not probes, are refused with their place', () => {
  const refusal = (serving: string): string => {
    try {
      configured(serving);
    } catch (error) {
      if (error instanceof ConfigurationError) return error.message;
      throw error;
    }
    throw new Error('it was accepted');
  };
  expect(refusal(`address: 'http://127.0.0.1:1', engine: plain-http, probes: probes.json`)).toContain(
    'no http.outputs',
  );
  expect(refusal(`address: 'http://127.0.0.1:1', probes: broken.json`)).toMatch(/broken\.json: 0\.request: /);
  expect(refusal(`address: 'http://127.0.0.1:1', probes: missing.json`)).toMatch(/missing\.json: .*serving\.probes/);
});
