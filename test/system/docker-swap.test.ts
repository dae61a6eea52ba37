import { label } from '../../adapters/serving/docker/labels';
import { fakeModelImage, needsDocker, PrivateEngine } from '../support/docker-engine';
import type { Installation } from '../support/installation';
import { SERVICE } from '../support/installation-configuration';
import { degrade, deploy, forgive, moves, startLight } from '../support/installation-story';
import { expectNothingLost } from '../support/installation-users';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

/** Versions as containers of a dockerd of this test, behind the gateway; candidates are cold, so that a swap takes a start. */
let installation: Installation;
let engine: PrivateEngine;

/** Instances of which a container runs, each as often as it does. */
async function running(): Promise<string[]> {
  const filters = { label: [`${label.service}=${SERVICE}`], status: ['running' as const] };
  const found = await engine.docker.listContainers({ filters });
  return found.map(({ Labels }) => Labels[label.instance] ?? '').sort();
}

/** The instances that the route in force sends requests to. */
async function routed(): Promise<string[]> {
  const declared = await installation.api.whenState('no operation', (state) =>
    state.operation === null ? state.declared : null,
  );
  return (declared.backends[declared.primary] ?? []).map(({ instance }) => instance);
}

needsDocker('with the versions as containers of one host', () => {
  beforeAll(async () => {
    engine = await PrivateEngine.start({ liveRestore: true });
    const serving = {
      runtime: 'docker',
      docker: { socket: engine.socket },
      image: await fakeModelImage(engine),
      network: 'host',
      entrypoint: ['/bin/node', '/app/light-model.js'],
      command: ['--artifact', '{artifact}', '--digest', '{digest}', '--port', '{port}'],
      readOnlyRoot: true,
      memoryLimit: '256MiB',
    };
    const metrics = { 'error-rate': 'off', 'timeout-rate': 'off' };
    const policy = { standby: { keepWarm: false }, detection: { metrics } };
    installation = await startLight({ name: 'docker-swap', service: { serving }, policy });
    await deploy(installation, '1.1');
    await deploy(installation, '1.2');
  }, 150_000);

  afterAll(async () => {
    await installation?.stop();
    await engine?.close();
    removeTemporary();
  }, 90_000);

  test('a rollback swaps the containers, and no user loses a request', async () => {
    const { api } = installation;
    const traffic = await installation.load({ perSecond: 20 });
    const { from, after } = await degrade(installation, { tier: 'short-window' });
    const settled = await api.entry('settled', after, ({ kind }) => kind === 'settled', 60_000);
    expect(moves(await api.ledger(after))).toEqual(['1.2→1.1']);
    expect(settled.facts).toMatchObject({ from, to: '1.1' });
    // What was left stays warm until the rollback is confirmed.
    const names = await running();
    expect(names).toEqual(expect.arrayContaining(await routed()));
    expect(names).toHaveLength(new Set(names).size);
    const { tally } = await traffic.stop(60);
    expectNothingLost(tally);
    expect(Object.keys(tally.byVersion).sort()).toEqual(['1.1', '1.2']);
  }, 150_000);

  test('dockerd is killed and comes back in the middle of a swap: the swap is done, and no user loses a request', async () => {
    const { api } = installation;
    await forgive(installation);
    const traffic = await installation.load({ perSecond: 20 });
    await until('some traffic', async () => (await traffic.tally()).answered >= 20);
    await engine.end('SIGKILL');
    const after = await api.ledgerHead();
    await api.accepted('deploy', { version: '1.2' });
    await api.whenState('the load', ({ operation }) => operation?.step === 'load');
    await engine.run();
    await api.entry('settled', after, ({ kind }) => kind === 'deploy-settled', 60_000);
    expect(moves(await api.ledger(after))).toEqual(['1.1→1.2']);
    const names = await running();
    expect(names).toEqual(expect.arrayContaining(await routed()));
    expect(names).toHaveLength(new Set(names).size);
    const { tally } = await traffic.stop(60);
    expectNothingLost(tally);
  }, 150_000);

  test('a dockerd without live-restore takes the copies with it, and the service starts the same version again', async () => {
    const before = await routed();
    await engine.setLiveRestore(false);
    await engine.end('SIGTERM');
    await engine.run();
    expect(await running()).toEqual([]);
    const traffic = await installation.load({ perSecond: 20 });
    const since = Date.now();
    const answered = async (): Promise<number> =>
      (await traffic.records(since)).filter(({ status, version }) => status === 200 && version === '1.2').length;
    await until('answers of the same version', async () => (await answered()) > 5, 60_000);
    const names = await running();
    expect(names.filter((name) => name.includes('@1.2#'))).not.toEqual([]);
    expect(names).toHaveLength(new Set(names).size);
    expect(before[0]).toContain('@1.2#');
    traffic.kill();
  }, 150_000);
});
