import { judgeHaproxy } from '../../../cli/checks/haproxy';
import { inspectHaproxy } from '../../../adapters/traffic/haproxy/inspection';
import { sameRoute } from '../../../domain/route';
import { describeHaproxy, HaproxyProcess } from '../../support/haproxy-process';
import { SERVICE, type Installation } from '../../support/installation';
import { deploy, forgive, moves, standbyReady, startLight } from '../../support/installation-story';
import { until } from '../../support/poll';
import { removeTemporary } from '../../support/temporary';

describeHaproxy('a whole installation behind HAProxy')('a whole installation behind HAProxy', () => {
  let haproxy: HaproxyProcess;
  let installation: Installation;

  beforeAll(async () => {
    haproxy = await HaproxyProcess.start({
      name: SERVICE,
      sessionHeader: null,
      sessionMaxMs: 3_600_000,
      requestMaxMs: 10_000,
    });
    const { listen } = haproxy.service;
    installation = await startLight(
      {
        name: 'haproxy',
        router: { kind: 'haproxy', directory: haproxy.directory, masterSocket: haproxy.masterSocket },
        service: { listen: `${listen.host}:${listen.port}`, answer: {} },
      },
      [{ version: '1.0' }, { version: '1.1' }],
    );
    await deploy(installation, '1.0');
    await deploy(installation, '1.1');
  }, 150_000);

  afterAll(async () => {
    await installation?.stop();
    await haproxy?.stop();
    removeTemporary();
  }, 60_000);

  it('is routed by the record of the service, with the configuration that lastgood would write', async () => {
    await standbyReady(installation);
    const found = judgeHaproxy(await inspectHaproxy(haproxy.options), haproxy.masterSocket);
    expect(found.filter(({ level }) => level === 'wrong' || level === 'warning')).toEqual([]);
    // The fallback that was just proven may be on its way.
    await until('the declared route in HAProxy', async () => {
      const { declared } = await installation.api.whenState('a state', (state) => state);
      const { record } = await haproxy.router().read(SERVICE);
      return declared?.fallback === '1.0' && record !== null && sameRoute(record, declared);
    });
  });

  it('a live version that answers 500 is seen in the counters of HAProxy and rolled back', async () => {
    const { api } = installation;
    const { live, standby } = await standbyReady(installation);
    const traffic = await installation.load({ perSecond: 40 });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const after = await api.ledgerHead();
    await installation.fault(live, { status: 500 });
    await api.entry('settled', after, ({ kind }) => kind === 'settled', 60_000);
    const settledAt = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { records } = await traffic.stop(100);
    expect(moves(await api.ledger(after))).toEqual([`${live}→${standby}`]);
    const later = records.filter(({ sentAt }) => sentAt > settledAt);
    expect(later.length).toBeGreaterThan(10);
    expect(later.filter(({ status, version }) => status !== 200 || version !== standby)).toEqual([]);
  }, 120_000);

  it('I6: the live copy killed costs its users nothing: HAProxy goes to the fallback, the rollback follows', async () => {
    const { api } = installation;
    await forgive(installation);
    await deploy(installation, '1.1');
    const { live, standby } = await standbyReady(installation);
    const traffic = await installation.load({ perSecond: 40 });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const after = await api.ledgerHead();
    process.kill(installation.copyOf(live).pid, 'SIGKILL');
    await api.entry('settled', after, ({ kind }) => kind === 'settled', 40_000);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { tally } = await traffic.stop(100);
    expect([tally.failed, tally.dropped]).toEqual([0, 0]);
    const entries = await api.ledger(after);
    expect(moves(entries)).toEqual([`${live}→${standby}`]);
    expect(entries.some(({ kind }) => kind === 'fallback-began')).toBe(true);
  }, 120_000);
});
