import { join } from 'node:path';
import { artifactFiles, writeArtifact } from '../support/artifact-directory';
import { Installation } from '../support/installation';
import { SERVICE } from '../support/installation-configuration';
import { degrade, deploy, moves } from '../support/installation-story';
import { expectNothingLost } from '../support/installation-users';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';
import {
  describeTriton,
  MODEL,
  tritonFiles,
  tritonRepository,
  tritonRequest,
  TritonServerProcess,
} from '../support/triton-server';

/** Versions of one model in a real Triton, behind the gateway; candidates are cold, so that a swap takes a load. */
let installation: Installation;
let server: TritonServerProcess;

async function importVersion(version: string): Promise<void> {
  const probes = [{ id: 'p1', request: tritonRequest('win money'), expect: { output: 'label', value: 'spam' } }];
  const files = Object.fromEntries(
    Object.entries(tritonFiles({ label: 'spam' })).map(([name, content]) => [
      `triton/${name}`,
      { role: 'other', content },
    ]),
  );
  const directory = writeArtifact(join(installation.directory, 'versions', version), {
    service: SERVICE,
    version,
    files: {
      ...artifactFiles(version),
      'probes.json': { role: 'probes', content: JSON.stringify({ schema: 1, probes }) },
      ...files,
    },
  });
  await installation.api.post('/v1/artifacts/import', { path: directory });
  await installation.api.whenState(`${version} is known`, ({ versions }) =>
    versions.some((facts) => facts.version === version),
  );
}

async function ready(): Promise<string[]> {
  return Object.entries(await server.index())
    .filter(([, state]) => state === 'READY')
    .map(([number]) => number);
}

/** Number of the version in Triton that the route in force names. */
async function routed(): Promise<string> {
  const declared = await installation.api.whenState('no operation', (state) =>
    state.operation === null ? state.declared : null,
  );
  const selector = declared.backends[declared.primary]?.[0]?.selector;
  return selector?.by === 'path' ? (selector.to.split('/').at(-1) ?? '') : '';
}

describeTriton('a swap in Triton')('with the versions in one Triton', () => {
  beforeAll(async () => {
    const repository = tritonRepository(temporaryDirectory('triton-swap'));
    server = await TritonServerProcess.start(repository);
    const serving = {
      runtime: 'triton',
      command: undefined,
      address: server.address,
      metricsPort: server.metrics,
      repository,
      subdirectory: 'triton',
    };
    const metrics = { 'error-rate': 'off', 'timeout-rate': 'off' };
    const policy = { standby: { keepWarm: false }, detection: { metrics } };
    const service = { model: MODEL, firstByte: '5s', serving };
    installation = await Installation.start({ name: 'triton-swap', models: 'light', service, policy });
    for (const version of ['1.1', '1.2']) await importVersion(version);
    await deploy(installation, '1.1');
    await deploy(installation, '1.2');
  }, 150_000);

  afterAll(async () => {
    await installation?.stop();
    await server?.kill();
    removeTemporary();
  }, 90_000);

  test('a rollback loads the version before beside the bad one, and no user loses a request', async () => {
    const { api } = installation;
    const traffic = await installation.load({ perSecond: 20 });
    await until('some traffic', async () => (await traffic.tally()).answered >= 20);
    const { from, after } = await degrade(installation, { tier: 'short-window' });
    const settled = await api.entry('settled', after, ({ kind }) => kind === 'settled', 90_000);
    expect(moves(await api.ledger(after))).toEqual(['1.2→1.1']);
    expect(settled.facts).toMatchObject({ from, to: '1.1' });
    expect(await ready()).toContain(await routed());
    const { tally } = await traffic.stop(60);
    expectNothingLost(tally);
    expect(Object.keys(tally.byVersion).sort()).toEqual(['1.1', '1.2']);
  }, 150_000);

  test('a Triton that dies and starts again serves the same version as before, without anybody', async () => {
    await server.kill();
    await server.run();
    const traffic = await installation.load({ perSecond: 20 });
    const answered = async (): Promise<number> =>
      (await traffic.records()).filter(({ status, version }) => status === 200 && version === '1.1').length;
    await until('answers of the same version', async () => (await answered()) > 5, 60_000);
    await until('the version of the route', async () => (await ready()).includes(await routed()), 60_000);
    traffic.kill();
  }, 150_000);
});
