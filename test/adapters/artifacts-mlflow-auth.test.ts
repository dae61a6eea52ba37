import { mlflowRegistry } from '../../adapters/artifacts/mlflow/mlflow';
import { pullVersion } from '../../adapters/artifacts/registry/pull';
import type { Registry } from '../../adapters/artifacts/registry/registry';
import { safetensors } from '../support/artifact-directory';
import { describeMlflow, MlflowServer } from '../support/mlflow-server';
import { storeRig } from '../support/registries';
import { removeTemporary } from '../support/temporary';

const { signal } = new AbortController();
const admin = { name: 'admin', password: 'a long enough password' };

describeMlflow('MLflow with basic auth as a registry')('with a real MLflow server that asks who it is', () => {
  let server: MlflowServer;
  const opened: Registry[] = [];

  beforeAll(async () => {
    server = await MlflowServer.start(admin);
    await server.model('mail');
    await server.version('mail', await server.run(), { 'weights.safetensors': safetensors([1]) });
    const reader = { username: 'reader', password: 'another long password' };
    await server.call('POST', 'mlflow/users/create', reader);
  }, 150_000);
  afterAll(async () => {
    for (const registry of opened) await registry.close();
    await server.stop();
    removeTemporary();
  });

  function as(user: string, password: string): Registry {
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    const registry = mlflowRegistry({
      url: server.url,
      model: 'mail',
      authorization: async () => authorization,
      ca: null,
    });
    opened.push(registry);
    return registry;
  }

  it('lists, brings and notes a version with a name and a password', async () => {
    const registry = as(admin.name, admin.password);
    const rig = await storeRig(registry);
    const [entry] = await registry.list(signal);
    if (entry === undefined) throw new Error('no version');
    expect(await pullVersion(entry, rig.pulling)).toMatchObject({ outcome: 'imported' });
    await registry.note(entry, { standing: 'validated', text: null }, signal);
    expect(await server.tags('mail', '1')).toEqual({ 'lastgood.standing': 'validated' });
  });

  it('says that it is not let in without a password, and with a wrong one', async () => {
    const nobody = mlflowRegistry({ url: server.url, model: 'mail', authorization: async () => null, ca: null });
    opened.push(nobody);
    await expect(nobody.list(signal)).rejects.toThrow(/answered 401: it wants a name and a password/);
    await expect(as(admin.name, 'wrong').list(signal)).rejects.toThrow(/401.*set registry\.auth/);
  });

  // Each call costs the server a slow hash of the password, so there are few of them.
  it('lists for a user who may only read, and says that he may not note', async () => {
    const registry = as('reader', 'another long password');
    const [entry] = await registry.list(signal);
    if (entry === undefined) throw new Error('no version');
    const note = { standing: null, text: 'rolled back from' };
    await expect(registry.note(entry, note, signal)).rejects.toThrow(/answered 403|PERMISSION_DENIED/);
  });
});
