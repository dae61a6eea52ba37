import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { processFacts } from '../../adapters/disk/proc';
import { searchAttributeList } from '../../workers/embedded/temporal-part';
import { serviceWorkflowId } from '../../workflows/contract/ids';
import { readAlertJournal } from '../../adapters/alerts/journal';
import type { LedgerPage } from '../../api/types';
import { compiledProduct, UpProcess } from '../support/embedded';
import { deployMail, embeddedMail, mailView } from '../support/embedded-mail';
import { startDevServer } from '../../workers/temporal/dev-server';
import { readEnvironment } from '../../workers/environment';
import { requireBinary } from '../../workers/temporal/binary';
import { answers, end, endUsers, ENOUGH, expectNothingLost, users } from '../support/counted-users';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

const started: UpProcess[] = [];
let dist: string;

beforeAll(async () => {
  dist = await compiledProduct();
}, 120_000);

afterEach(endUsers);

afterAll(async () => {
  for (const up of started) await up.cleanUp();
  removeTemporary();
});

function prepare(): UpProcess {
  const up = embeddedMail(dist, 'up');
  started.push(up);
  return up;
}

describe('up', () => {
  it('brings everything up, serves a deployed version, and leaves no process behind', async () => {
    const up = prepare();
    await up.start();
    expect(await mailView(up)).toMatchObject({ source: 'workflow', service: 'mail', notKnown: [] });
    const entrance = await deployMail(up, '1.0');
    await expectNothingLost(users(entrance));
    expect(up.processes().length).toBeGreaterThanOrEqual(6);
    expect(await up.end('SIGTERM')).toBe('0');
    expect(up.output).toMatch(/stopping …\nstopped\n$/);
    expect(up.processes()).toEqual([]);
  }, 180_000);

  it.each([
    ['killed', 'SIGKILL', 'SIGKILL'],
    ['asked to let go', 'SIGUSR2', '0'],
  ] as const)(
    '%s, leaves everything running, and the next one takes over the same processes while requests go on',
    async (_, signal, ended) => {
      const up = prepare();
      await up.start();
      const entrance = await deployMail(up, '1.0');
      const names = ['controller', 'host', 'gateway'] as const;
      const before = [...names.map((name) => up.childPid(name)), up.temporalPid()];
      const load = users(entrance);
      await answers(load);
      expect(await up.end(signal)).toBe(ended);
      await answers(load);
      await up.start();
      expect(up.output).toMatch(/temporal: adopted[^]*gateway: adopted[^]*host: adopted[^]*controller: adopted/);
      expect([...names.map((name) => up.childPid(name)), up.temporalPid()]).toEqual(before);
      await answers(load);
      await expectNothingLost(load);
      expect(await up.end('SIGINT')).toBe('0');
      expect(up.processes()).toEqual([]);
    },
    180_000,
  );

  it('starts again what dies, where its clients look for it', async () => {
    const up = prepare();
    await up.start();
    const entrance = await deployMail(up, '1.0');
    const load = users(entrance);
    await answers(load);
    const controller = up.childPid('controller');
    process.kill(controller, 'SIGKILL');
    process.kill(up.childPid('gateway'), 'SIGKILL');
    await until('another controller', () => up.childPid('controller') !== controller, 30_000).catch(() => undefined);
    await answers(load);
    await until(
      'an answer of the controller',
      async () => (await mailView(up).catch(() => null))?.source === 'workflow',
      60_000,
    );
    expect(up.childPid('controller')).not.toBe(controller);
    const { answered, lost } = await end(load);
    expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answered.length).toBeGreaterThanOrEqual(2 * ENOUGH);
    // Refused before they were sent, but for what the two users had in flight.
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.filter(({ error }) => !error.includes('ECONNREFUSED')).length).toBeLessThanOrEqual(2);
    expect(await up.end('SIGTERM')).toBe('0');
    expect(up.processes()).toEqual([]);
  }, 180_000);

  it('stopped and started again, serves what it served, at the same address', async () => {
    const up = prepare();
    await up.start();
    const entrance = await deployMail(up, '1.0');
    const before = (await mailView(up)).gateway?.record;
    await expectNothingLost(users(entrance));
    expect(await up.end('SIGTERM')).toBe('0');
    expect(up.processes()).toEqual([]);
    await up.start();
    await expectNothingLost(users(entrance));
    expect((await mailView(up)).gateway?.record).toEqual(before);
    expect(await up.end('SIGTERM')).toBe('0');
  }, 180_000);

  it('with --keep-serving ends everything but the copies that serve, and the next one takes those over', async () => {
    const up = prepare();
    await up.start(['--keep-serving']);
    const entrance = await deployMail(up, '1.0');
    const [backend] = Object.values((await mailView(up)).gateway?.record?.backends ?? {}).flat();
    const parts = [...(['controller', 'host', 'gateway'] as const).map((name) => up.childPid(name)), up.temporalPid()];
    expect(await up.end('SIGTERM')).toBe('0');
    const left = up.processes();
    expect(left).not.toEqual([]);
    expect(left.filter((pid) => parts.includes(pid))).toEqual([]);
    await expectNothingLost(users(backend?.address ?? ''));
    await up.start();
    await expectNothingLost(users(entrance));
    expect(up.processes()).toEqual(expect.arrayContaining(left));
    expect(await up.end('SIGTERM')).toBe('0');
    expect(up.processes()).toEqual([]);
  }, 180_000);

  it('says who holds the data directory, and leaves it alone', async () => {
    const up = prepare();
    await up.start();
    const load = users(await deployMail(up, '1.0'));
    const second = new UpProcess(dist, up.dir, join(up.dir, 'lastgood.yaml'));
    second.begin();
    expect(await until('the end of the second', () => second.exited)).toBe('69');
    expect(second.output).toMatch(
      new RegExp(`\\.lastgood is in use by another \`lastgood up\` \\(process ${up.pid}\\): stop that one first`),
    );
    expect((await mailView(up)).source).toBe('workflow');
    await expectNothingLost(load);
    expect(await up.end('SIGTERM')).toBe('0');
  }, 120_000);

  it('tells within 15 s that nobody decides, and writes the gap to the ledger afterwards', async () => {
    const up = prepare();
    await up.start();
    const load = users(await deployMail(up, '1.0'));
    const controller = up.childPid('controller');
    const frozenAt = Date.now();
    process.kill(controller, 'SIGSTOP');
    const alert = await until(
      'the alert',
      async () =>
        (await readAlertJournal(up.paths.alertJournal)).alerts.find(({ alert: one }) => one.severity === 'page'),
      20_000,
    );
    expect(alert.loggedAt - frozenAt).toBeLessThan(15_000);
    expect(alert.alert.title).toMatch(/^mail: nobody decides, blind since /);
    process.kill(controller, 'SIGCONT');
    const entry = await until(
      'the entry',
      async () => {
        const { json } = await up.api('GET', '/v1/services/mail/ledger?kinds=blind');
        return (json as LedgerPage).entries[0];
      },
      20_000,
    );
    expect(entry.summary).toMatch(/^nobody could decide for \d+ s: the controller does not answer/);
    await expectNothingLost(load);
    expect(await up.end('SIGTERM')).toBe('0');
    expect(up.output).toContain('nobody decides, blind since');
  }, 120_000);

  it('uses the Temporal server that LASTGOOD_TEMPORAL_ADDRESS names, starts none, and leaves it running', async () => {
    const up = prepare();
    const environment = readEnvironment();
    const server = await startDevServer({
      binary: await requireBinary('dev-server', { environment }),
      environment,
      logFile: join(up.dir, 'given-temporal.log'),
      namespace: 'lastgood',
      searchAttributes: searchAttributeList,
    });
    try {
      up.environment = { LASTGOOD_TEMPORAL_ADDRESS: server.address };
      await up.start();
      expect(up.output).toContain(`Temporal: ${server.address}`);
      const load = users(await deployMail(up, '1.0'));
      await expectNothingLost(load);
      expect(existsSync(up.paths.temporalRecord)).toBe(false);
      const connection = await Connection.connect({ address: server.address });
      const client = new Client({ connection, namespace: 'lastgood' });
      const { status } = await client.workflow.getHandle(serviceWorkflowId('mail')).describe();
      await connection.close();
      expect(status.name).toBe('RUNNING');
      expect(await up.end('SIGTERM')).toBe('0');
      expect(processFacts(server.pid)).not.toBeNull();
    } finally {
      await server.stop();
    }
  }, 120_000);

  it('refuses a configuration that it cannot use before anything is started', async () => {
    const up = prepare();
    const file = join(up.dir, 'lastgood.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('model: mail', 'modle: mail'));
    up.begin();
    expect(await until('its end', () => up.exited)).toBe('64');
    expect(up.output).toMatch(/lastgood\.yaml:5:5: services\.mail\.modle: unknown key, did you mean model\?/);
    expect(up.processes()).toEqual([]);
  }, 60_000);
});
