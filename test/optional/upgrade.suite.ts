import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { stringify } from 'yaml';
import { allPids, processEnvironment } from '../../adapters/disk/proc';
import { runPaths } from '../../workers/embedded/paths';
import { packageDirectory } from '../../workers/program';
import { serviceWorkflowId } from '../../workflows/contract/ids';
import { NEWEST_RULES } from '../../workflows/contract/inputs';
import { artifactFiles, writeArtifact } from '../support/artifact-directory';
import { endUsers, expectNothingLost, users } from '../support/counted-users';
import { startFakeModel } from '../support/fake-model';
import { Api, degradation } from '../support/installation-api';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

// From the release before this one to this one, with a rollback in flight, a breaker open, and a hundred services:
// `npm run test:upgrade`. Not a part of `npm test`: it builds the former release and starts a hundred services.

const script = join(packageDirectory(), 'scripts', 'optional', 'previous-release.sh');
const previous = execFileSync('bash', [script], { encoding: 'utf8' }).trim();
if (previous === '') process.stdout.write('skipped: an upgrade from the release before this one (it is not there)\n');
const describeReal = previous === '' ? describe.skip : describe;
jest.setTimeout(300_000);

const moving = 'moving';
const braked = 'braked';
const others = Array.from({ length: 98 }, (_, at) => `other-${String(at + 1).padStart(2, '0')}`);

describeReal('an upgrade', () => {
  let directory: string;
  let file: string;
  let paths: ReturnType<typeof runPaths>;
  let up: ChildProcess;
  let model: Awaited<ReturnType<typeof startFakeModel>>;
  let temporal: string;
  let client: Client;
  const api = (service: string): Api => new Api(paths.apiSocket, service);

  beforeAll(async () => {
    directory = temporaryDirectory('upgrade');
    file = join(directory, 'lastgood.yaml');
    paths = runPaths(join(directory, 'data'));
    model = await startFakeModel({ model: 'mail' });
    writeFileSync(file, configuration(model.port));
    up = start(previous, 'up');
    const output = (): string => readFileSync(join(directory, 'up.log'), 'utf8');
    await until(
      'everything to be up',
      () => {
        if (up.exitCode !== null) throw new Error(`up ended: ${output()}`);
        return output().includes('up; Ctrl-C stops');
      },
      120_000,
    );
    temporal = (json(paths.temporalRecord) as { server: { address: string } }).server.address;
    client = new Client({ connection: await Connection.connect({ address: temporal }), namespace: 'lastgood' });
  });

  afterAll(async () => {
    await endUsers();
    await client?.connection.close();
    await model?.close();
    for (const pid of mine()) process.kill(pid, 'SIGKILL');
    removeTemporary();
  });

  function start(root: string, role: string, ...more: string[]): ChildProcess {
    const log = openSync(join(directory, `${role}.log`), 'a');
    const child = spawn(process.execPath, [join(root, 'dist', 'workers', 'main.js'), role, '--config', file, ...more], {
      stdio: ['ignore', log, log],
      env: { ...process.env, LASTGOOD_FAILPOINTS: directory },
    });
    closeSync(log);
    return child;
  }

  /** Every process of this installation, found by a variable that it inherited. */
  function mine(): number[] {
    return allPids().filter(
      (pid) => pid !== process.pid && processEnvironment(pid)?.get('LASTGOOD_FAILPOINTS') === directory,
    );
  }

  async function end(name: 'controller' | 'host'): Promise<void> {
    const { pid } = (json(paths.childRecord(name)) as { process: { pid: number } }).process;
    process.kill(pid, 'SIGTERM');
    await until(`the end of the ${name}`, () => !mine().includes(pid), 30_000);
  }

  async function deployed(service: string, version: string): Promise<void> {
    await api(service).accepted('deploy', { version });
    await api(service).whenState(
      `${version} is live`,
      (state) => state.declared?.primary === version && state.operation === null,
      60_000,
    );
  }

  async function imported(service: string, version: string, light: object = {}): Promise<void> {
    const files = {
      ...artifactFiles(version),
      'light.json': { role: 'other', content: JSON.stringify({ version, label: 'spam', ...light }) },
    };
    const path = writeArtifact(join(directory, 'versions', service, version), { service, version, files });
    await api(service).post('/v1/artifacts/import', { path });
    await api(service).whenState(`${version} is known`, ({ versions }) =>
      versions.some((one) => one.version === version),
    );
  }

  async function degrade(service: string, id: string): Promise<void> {
    const route = await api(service).whenState('a route', ({ declared }) => declared);
    await client.workflow
      .getHandle(serviceWorkflowId(service))
      .signal('degradationBegan', degradation(id, route, { tier: 'short-window' }));
  }

  test('loses no request, ends the rollback, keeps the breaker open, and every service decides on by the newest rules', async () => {
    for (const service of [moving, braked]) {
      for (const version of ['1.0', '1.1']) await imported(service, version);
      for (const version of ['1.0', '1.1']) await deployed(service, version);
    }
    await imported(moving, '0.9', { loadMs: 8_000 });
    await degrade(braked, 'told-before');
    await api(braked).whenState('the breaker', (state) => state.breaker.open && state.operation === null, 60_000);
    const { addresses } = json(paths.gatewayReport) as { addresses: Record<string, string> };
    const load = [moving, braked].map((service) => users(addressOf(addresses[service])));
    const heads = await Promise.all([moving, braked].map((service) => api(service).ledgerHead()));

    await api(moving).accepted('rollback', { to: '0.9' });
    await api(moving).whenState('it loads', ({ operation }) => operation !== null);
    up.kill('SIGKILL');
    await Promise.all([end('controller'), end('host')]);
    // Nobody decides now, and users are served.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const arguments_ = ['--temporal', temporal, '--embedded'];
    start(packageDirectory(), 'controller', ...arguments_);
    start(packageDirectory(), 'host', ...arguments_);

    const state = await api(moving).whenState(
      'the rollback to end',
      (found) => (found.operation === null && found.declared?.primary === '0.9' ? found : null),
      90_000,
    );
    expect(state.pausedWhy).toBeNull();
    const entries = await api(moving).ledger(heads[0]);
    expect(entries.filter(({ kind }) => kind === 'settled')).toHaveLength(1);
    await api(braked).whenState('the breaker is still open', ({ breaker }) => breaker.open);
    await degrade(braked, 'told-after');
    const held = await api(braked).entry('held', heads[1] ?? 0, ({ kind }) => kind === 'rollback-held');
    expect(held.summary).toContain('the breaker is open');

    // Every one of them takes an act, by the rules of this release.
    const all = [moving, braked, ...others];
    const rules = async (service: string): Promise<boolean> => (await api(service).state())?.rules === NEWEST_RULES;
    for (const service of all) await until(`the newest rules of ${service}`, () => rules(service), 90_000);
    for (const service of all) {
      const { decision, why } = await api(service).act('pause', { forMs: 60_000 });
      expect([service, decision, why]).toEqual([service, 'accepted', expect.any(String)]);
    }
    for (const one of load) await expectNothingLost(one);
    expect(await api(moving).verification()).toMatchObject({ ok: true });
    expect(await api(braked).verification()).toMatchObject({ ok: true });
  });
});

function json(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function addressOf(address = ''): string {
  return address.startsWith('http') ? address : `http://${address}`;
}

function configuration(modelPort: number): string {
  const light = join(packageDirectory(), 'test', 'support', 'light-model.js');
  const command = [
    process.execPath,
    light,
    '--digest',
    '{digest}',
    '--host',
    '{host}',
    '--artifact',
    '{artifact}',
    '--report',
    '{report}',
  ];
  const policy = {
    cooldown: '1s',
    verify: { max: '5s', confirm: '1s', confirmMax: '2m' },
    standby: { keepWarm: false },
  };
  const own = (breaker: object): object => ({
    listen: '127.0.0.1:0',
    model: 'mail',
    serving: { runtime: 'process', engine: 'open-inference', command },
    policy: { ...policy, breaker },
  });
  const serving = { runtime: 'external', engine: 'open-inference', address: `http://127.0.0.1:${modelPort}` };
  const other = { listen: '127.0.0.1:0', model: 'mail', serving, changes: 'external', policy: { mode: 'observe' } };
  return stringify({
    dataDir: 'data',
    api: { listen: '127.0.0.1:0' },
    gateway: { metrics: '127.0.0.1:0' },
    alerts: { terminal: false },
    services: {
      [moving]: own({ consecutiveRollbacks: 20 }),
      [braked]: own({ consecutiveRollbacks: 1 }),
      ...Object.fromEntries(others.map((name) => [name, other])),
    },
  });
}
